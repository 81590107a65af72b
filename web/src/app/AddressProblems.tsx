/** What could not be read of the address: said, not swallowed. */
import { useStore } from '../shared/state/store';
import { Icon } from '../shared/parts/parts';

export function AddressProblems() {
  const problems = useStore((state) => state.problems);
  if (problems.length === 0) return null;
  return (
    <section className="notice" role="status" data-testid="address-problems">
      <div>
        <strong>Parts of this address could not be read.</strong> The rest of it is shown.
        <ul>
          {problems.slice(0, 5).map((problem) => (
            <li key={problem}>{problem}</li>
          ))}
          {problems.length > 5 ? <li>… and {problems.length - 5} more.</li> : null}
        </ul>
      </div>
      <button
        type="button"
        className="icon-button"
        aria-label="Dismiss"
        onClick={() => useStore.setState({ problems: [] })}
      >
        <Icon name="close" />
      </button>
    </section>
  );
}
