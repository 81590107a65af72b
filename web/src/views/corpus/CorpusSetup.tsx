/** By what tokens are compared, and which of them count, as one quiet line. */
import { useState } from 'react';
import { useIsFetching } from '@tanstack/react-query';
import { queryClient, type ModelInfo } from '../../shared/api/queries';
import { Segments } from '../../shared/parts/parts';
import { formatPositions, parsePositions } from '../../shared/text/edits';
import { CorpusFilters } from './CorpusFilters';
import { Check, Choice, Option } from '../../shared/parts/Choice';
import { offsetName } from './listing';
import {
  askCorpus,
  LIMITS,
  MOST_OFFSETS,
  SHOWN,
  showCorpus,
  useCorpus,
  type CorpusState,
} from './corpusState';
import type { Hits } from './query';
import { isLabelled, layersOf, type About } from './request';

interface Props {
  about: About;
  model: ModelInfo | null;
}

export function CorpusSetup({ about, model, labels }: Props & { labels: Hits['labels'] }) {
  const corpus = useCorpus();
  return (
    <div className="corpus-setup" role="group" aria-label="The question">
      {corpus.ask === 'like' ? <Compared about={about} model={model} /> : null}
      <CorpusFilters about={about} labels={labels} />
      <span className="spring" />
      <SentencesCome />
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
      <Columns labelled={isLabelled(about)} />
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

/** What is not there yet of the lines in sight: their tokens, and the attention behind them. */
function SentencesCome() {
  const { lit } = useCorpus();
  const key = { queryKey: ['sentences'] };
  const coming = useIsFetching(key) > 0;
  const failed = queryClient
    .getQueryCache()
    .findAll({ ...key, type: 'active' })
    .some(({ state }) => state.status === 'error');
  if (coming)
    return (
      <span className="corpus-coming faint" role="status" data-busy="true">
        {lit ? 'computing attention …' : ''}
      </span>
    );
  if (!failed) return null;
  return (
    <span className="corpus-failed" role="alert">
      sentences did not come{' '}
      <button
        type="button"
        className="link"
        onClick={() => void queryClient.refetchQueries({ ...key, type: 'active' })}
      >
        Try again
      </button>
    </span>
  );
}

const COLUMN_SAYS: Readonly<Record<CorpusState['column'], string>> = {
  word: 'the word',
  pos: 'part of speech',
  tag: 'tag',
  dep: 'dependency',
  entity: 'entity',
};

/** Which tokens around the match are columns of their own, what of them, to sort by. */
function Columns({ labelled }: { labelled: boolean }) {
  const { offsets, column } = useCorpus();
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
      says={
        offsets.length === 0
          ? 'none'
          : `${offsets.map(offsetName).join(' ')}${column === 'word' ? '' : `, ${COLUMN_SAYS[column]}`}`
      }
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
      <p className="faint">
        Tokens so far from the match, as columns that sort{labelled ? '; of each is shown' : ''}.
      </p>
      {labelled
        ? SHOWN.map((one) => (
            <Option
              key={one}
              group="column-shows"
              value={one}
              checked={one === column}
              onChange={() => showCorpus({ column: one })}
            >
              {COLUMN_SAYS[one]}
            </Option>
          ))
        : null}
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
