/** By what tokens are compared, and which of them count, as one quiet line. */
import { useState } from 'react';
import type { ModelInfo } from '../../shared/api/queries';
import { Segments } from '../../shared/parts/parts';
import { formatPositions, parsePositions } from '../../shared/text/edits';
import { CorpusFilters } from './CorpusFilters';
import { Check, Choice } from '../../shared/parts/Choice';
import { offsetName } from './listing';
import {
  askCorpus,
  LIMITS,
  MOST_OFFSETS,
  showCorpus,
  useCorpus,
  type CorpusState,
} from './corpusState';
import { layersOf, type About } from './request';

interface Props {
  about: About;
  model: ModelInfo | null;
}

export function CorpusSetup({ about, model }: Props) {
  const corpus = useCorpus();
  return (
    <div className="corpus-setup" role="group" aria-label="The question">
      {corpus.ask === 'like' ? <Compared about={about} model={model} /> : null}
      <CorpusFilters about={about} />
      <span className="spring" />
      <label
        className="corpus-check"
        title="Attention from each match, computed for what is in sight"
      >
        <input
          type="checkbox"
          data-testid="corpus-lit"
          checked={corpus.lit}
          onChange={() => showCorpus({ lit: !corpus.lit })}
        />
        attention
      </label>
      <Columns />
      <label className="corpus-check">
        list
        <select
          data-testid="corpus-limit"
          value={corpus.limit}
          onChange={(event) => askCorpus({ limit: Number(event.target.value) })}
        >
          {LIMITS.map((limit) => (
            <option key={limit}>{limit}</option>
          ))}
        </select>
      </label>
    </div>
  );
}

const OFFSETS = [-4, -3, -2, -1, 1, 2, 3, 4] as const;

/** Which tokens around the match are columns of their own, to sort by. */
function Columns() {
  const { offsets } = useCorpus();
  const toggle = (offset: number) => {
    const rest = offsets.filter((one) => one !== offset);
    const next = rest.length < offsets.length ? rest : [...rest, offset];
    showCorpus({ offsets: next.toSorted((one, other) => one - other), order: 'score' });
  };
  const all = [...new Set([...OFFSETS, ...offsets])].toSorted((one, other) => one - other);
  return (
    <Choice
      name="columns"
      head="columns"
      says={offsets.length === 0 ? 'none' : offsets.map(offsetName).join(' ')}
      changed={offsets.length > 0}
    >
      {all.map((offset) => {
        const checked = offsets.includes(offset);
        return !checked && offsets.length >= MOST_OFFSETS ? null : (
          <Check
            key={offset}
            name={`column-${offset}`}
            checked={checked}
            onChange={() => toggle(offset)}
          >
            {offsetName(offset)}
          </Check>
        );
      })}
      <p className="faint">Tokens so far from the match, as columns that sort.</p>
    </Choice>
  );
}

function Compared({ about, model }: Props) {
  const { by, layer, weighting } = useCorpus();
  const layers = layersOf(about, by);
  const both = layersOf(about, 'context').length > 0 && layersOf(about, 'hidden').length > 0;
  return (
    <>
      {both || layers.length === 0 ? (
        <Segments
          name="corpus-by"
          label="Compared by"
          value={by}
          options={[
            ['hidden', 'hidden state', 'The residual stream of the layer'],
            ['context', 'context', 'What the layer’s heads read: z, before W_O'],
          ]}
          onChange={(chosen: CorpusState['by']) =>
            askCorpus({
              by: chosen,
              ...(layer !== null && !layersOf(about, chosen).includes(layer)
                ? { layer: null }
                : {}),
            })
          }
        />
      ) : null}
      <label className="corpus-check">
        layer
        <select
          className="mono"
          data-testid="corpus-layer"
          value={layer ?? layers.at(-1) ?? ''}
          onChange={(event) => askCorpus({ layer: Number(event.target.value) })}
        >
          {[...new Set([...layers, ...(layer === null ? [] : [layer])])].map((one) => (
            <option key={one}>{one}</option>
          ))}
        </select>
      </label>
      {by === 'context' ? (
        <>
          <Heads model={model} layer={layer ?? layers.at(-1) ?? 0} />
          <Segments
            name="corpus-weighting"
            label="How heads count"
            value={weighting}
            options={[
              ['equal', 'alike', 'The mean of the heads’ cosines'],
              [
                'query',
                'by length',
                'Each by the length of the query’s own context, as exBERT has it',
              ],
            ]}
            onChange={(chosen: CorpusState['weighting']) => askCorpus({ weighting: chosen })}
          />
        </>
      ) : null}
    </>
  );
}

/** Typed, as ranges; nothing is all of them. */
function Heads({ model, layer }: { model: ModelInfo | null; layer: number }) {
  const { heads } = useCorpus();
  const written = heads.length === 0 ? '' : formatPositions(heads);
  const [draft, setDraft] = useState(written);
  const [from, setFrom] = useState(written);
  if (from !== written) {
    setFrom(written);
    setDraft(written);
  }
  const most = model?.heads.self?.[layer] ?? model?.n_heads ?? 1;
  const found = draft.trim() === '' ? [] : parsePositions(draft);
  const good = Array.isArray(found) && found.every((head) => head >= 0 && head < most);
  const take = () => {
    if (good && draft !== written) askCorpus({ heads: found });
  };
  return (
    <label className="corpus-check">
      heads
      <input
        className="mono corpus-heads"
        data-testid="corpus-heads"
        aria-invalid={!good}
        placeholder="all"
        title={`0–${most - 1}, as 0,3 or 2-5; nothing is all`}
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={take}
        onKeyDown={(event) => {
          if (event.key === 'Enter') take();
        }}
      />
    </label>
  );
}
