/** A sentence about what just happened, with its undo; gone after a while. */
import { useEffect } from 'react';
import { useStore } from '../shared/state/store';

const SHOWN_MS = 6000;

export function Toast() {
  const notice = useStore((state) => state.notice);
  useEffect(() => {
    if (!notice) return;
    const timer = setTimeout(() => useStore.setState({ notice: null }), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [notice]);
  return (
    <div className="toast-place" role="status" aria-live="polite">
      {notice ? (
        <div className="toast" data-testid="toast">
          {notice.text}
          {notice.action ? (
            <button
              type="button"
              className="link"
              onClick={() => {
                useStore.setState({ notice: null });
                notice.action?.run();
              }}
            >
              {notice.action.label}
            </button>
          ) : null}
        </div>
      ) : null}
    </div>
  );
}
