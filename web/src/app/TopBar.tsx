/** Name, model, and what concerns the whole page. */
import { lazy, Suspense } from 'react';
import { ApiError } from '../shared/api/client';
import type { ModelInfo } from '../shared/api/queries';
import { useStore } from '../shared/state/store';
import { chooseTheme, useTheme, type Choice } from '../shared/state/theme';
import { Icon } from '../shared/parts/parts';
import { PopOver } from '../shared/parts/PopOver';
import { copyText } from '../shared/parts/save';

const ModelFacts = lazy(async () => ({ default: (await import('./ModelFacts')).ModelFacts }));

interface Props {
  model: ModelInfo | null;
  error: Error | null;
  retry: () => void;
}

const NEXT: Record<Choice, Choice> = { system: 'light', light: 'dark', dark: 'system' };
const THEME_ICON = { system: 'system', light: 'sun', dark: 'moon' } as const;

export function TopBar({ model, error, retry }: Props) {
  const choice = useTheme((state) => state.choice);
  return (
    <header className="top-bar">
      <h1>Unembed</h1>
      {model ? <ModelButton model={model} /> : <ModelMissing error={error} retry={retry} />}
      <span className="spring" />
      <button
        type="button"
        className="quiet"
        data-testid="runs"
        title="Save this page under a name, open what was saved (s)"
        onClick={() => useStore.setState({ runs: true })}
      >
        Saved runs
      </button>
      <button
        type="button"
        className="quiet"
        onClick={() => void copyText(location.href, 'the link to this page')}
      >
        <Icon name="link" /> Copy link
      </button>
      <button
        type="button"
        className="icon-button"
        data-testid="theme"
        onClick={() => chooseTheme(NEXT[choice])}
        aria-label={`Theme: ${choice}. Switch to ${NEXT[choice]}.`}
        title={`Theme: ${choice}`}
      >
        <Icon name={THEME_ICON[choice]} />
      </button>
      <button
        type="button"
        className="icon-button"
        data-testid="help"
        onClick={() => useStore.setState({ help: true })}
        aria-label="Help and keyboard"
        title="Help and keyboard (?)"
      >
        ?
      </button>
    </header>
  );
}

function ModelMissing({ error, retry }: { error: Error | null; retry: () => void }) {
  if (!error || (error instanceof ApiError && error.refused))
    return <span className="faint">connecting …</span>;
  return (
    <span className="problem-line" role="alert">
      {error.message} {error instanceof ApiError ? error.body.fix : null}{' '}
      <button type="button" className="link" onClick={retry}>
        Retry
      </button>
    </span>
  );
}

function ModelButton({ model }: { model: ModelInfo }) {
  return (
    <PopOver
      className="model-facts"
      label="The model"
      align="start"
      button={{
        className: 'model-button',
        'data-testid': 'model',
        children: (
          <>
            <span className="mono">{model.name}</span>
            <span className="faint">
              {model.n_layers} layers · {model.dtype}
            </span>
            <Icon name="down" />
          </>
        ),
      }}
    >
      {(close) => (
        <Suspense fallback={null}>
          <ModelFacts model={model} close={close} />
        </Suspense>
      )}
    </PopOver>
  );
}
