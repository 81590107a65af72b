/** Has nodes said in words: by search or a language model, with progress, cancel, consent and cost. */
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState, type ReactNode } from 'react';
import { answer, api, type Schemas } from '../api/client';
import { useCorpora, useExplanations, type Asked } from '../api/corpora';
import { labelsChanged } from '../api/nodeLabels';
import { useSpec } from '../state/store';
import { ErrorNote } from './ErrorNote';
import { Status } from './ViewBar';

type Explanations = Schemas['Explanations'];
type Models = Schemas['LanguageModels'];

interface Props {
  nodes: readonly string[];
  /** What the button says. */
  words: string;
  children?: (found: Explanations) => ReactNode;
}

const ALONE: Asked = { explainer: 'none', style: 'pairs', judge: 'none', consent: false };

export function SayInWords({ nodes, words, children }: Props) {
  const spec = useSpec();
  const corpora = useCorpora().data?.items ?? null;
  const models = useLanguageModels().data ?? null;
  const [asking, setAsking] = useState<Asked>(ALONE);
  const [asked, setAsked] = useState<Asked | null>(null);
  const about = corpora?.find(({ name }) => name === spec.corpus.name) ?? corpora?.[0] ?? null;
  const found = useExplanations(spec, about, nodes, asked);
  const made = found.current ? found.data : null;
  useEffect(() => {
    if (made) void labelsChanged();
  }, [made]);
  if (!about) return null; // nothing to make labels from: a section says how to build one
  const refused = found.error?.body.field === 'consent' ? found.error.body.message : null;
  return (
    <div className="say-in-words" data-testid="say-in-words">
      <p>
        <button
          type="button"
          data-testid="explain"
          disabled={found.busy}
          onClick={() => setAsked({ ...asking, consent: false })}
        >
          {words}
        </button>{' '}
        {models ? <Who models={models} asking={asking} onChange={setAsking} /> : null}
        <span className="faint"> from sentences of {about.name}</span>{' '}
        {asked ? <Status kind="explain" analysis={found} timed={false} /> : null}
      </p>
      {refused && asked ? (
        <p role="alert" data-testid="consent">
          {refused}{' '}
          <button type="button" onClick={() => setAsked({ ...asked, consent: true })}>
            Send it
          </button>
        </p>
      ) : (
        <ErrorNote ofNode error={found.error} retry={found.retry} stale={false} />
      )}
      {made && children ? children(made) : null}
    </div>
  );
}

function useLanguageModels() {
  return useQuery({
    queryKey: ['language-models'],
    queryFn: ({ signal }) => answer(api.GET('/api/explain/models', { signal })),
  });
}

interface WhoProps {
  models: Models;
  asking: Asked;
  onChange: (asking: Asked) => void;
}

/** Who writes beside the search, and whether it is judged, by the same. */
function Who({ models, asking, onChange }: WhoProps) {
  const options: [Asked['explainer'], string][] = [
    ['none', 'without a language model'],
    ...(models.own === null ? [['own', 'this model, too'] as [Asked['explainer'], string]] : []),
    ...(models.server !== null
      ? [
          ['server', `${models.server} at ${models.host ?? ''}, too`] as [
            Asked['explainer'],
            string,
          ],
        ]
      : []),
  ];
  const judged = asking.judge !== 'none';
  return (
    <>
      <select
        aria-label="Who says it"
        data-testid="explainer"
        value={asking.explainer}
        onChange={(event) => {
          const explainer = event.target.value as Asked['explainer'];
          onChange({ ...asking, explainer, judge: judged ? explainer : 'none' });
        }}
      >
        {options.map(([value, label]) => (
          <option key={value} value={value}>
            {label}
          </option>
        ))}
      </select>
      {asking.explainer === 'none' ? null : (
        <>
          {' '}
          <select
            aria-label="What it is shown"
            value={asking.style}
            onChange={(event) =>
              onChange({ ...asking, style: event.target.value as Asked['style'] })
            }
          >
            <option value="pairs">tokens and activations</option>
            <option value="examples">marked texts</option>
            <option value="contrastive">beside near misses</option>
          </select>{' '}
          <label title="Simulation, detection and fuzzing, each beside two nulls: many more questions">
            <input
              type="checkbox"
              checked={judged}
              onChange={(event) =>
                onChange({ ...asking, judge: event.target.checked ? asking.explainer : 'none' })
              }
            />{' '}
            and judges it
          </label>
        </>
      )}
    </>
  );
}
