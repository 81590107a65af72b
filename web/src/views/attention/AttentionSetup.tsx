/** What is shown of attention, as one quiet line: heads, what a pair is measured by, what is kept. */
import type { ReactNode } from 'react';
import type { ModelInfo } from '../../shared/api/queries';
import { Choice } from '../../shared/parts/Choice';
import { Segments } from '../../shared/parts/parts';
import { percent } from '../../draw/format';
import { useSpec } from '../../shared/state/store';
import { formatPositions } from '../../shared/text/edits';
import { ATTENTION, setAttention, useAttentionSpec, type AttentionState } from './attentionState';
import {
  BETWEEN_WORDS,
  BetweenMenu,
  KeptMenu,
  MeasureMenu,
  QueriesMenu,
  SpecialMenu,
} from './AttentionMenus';
import { AgainstMenu, againstWords } from './AgainstMenu';
import { HeadsMenu } from './HeadsMenu';
import {
  headsWords,
  picksProblem,
  formatPicks,
  shifted,
  middleLayer,
  partOf,
  type Head,
  type Part,
} from './picks';
import type { HeadScores } from './query';
import type { Rated } from './request';

interface Props {
  model: ModelInfo;
  heads: readonly Head[];
  scores: HeadScores | null;
  rated: Rated | null;
  position: number | null;
  /** Tokens of the prompt. */
  length: number;
  children: ReactNode;
}

export function AttentionSetup({ model, heads, scores, rated, position, length, children }: Props) {
  const { attention, pair, prompt } = useSpec();
  const { measure, special, mass, queries } = attention;
  const part = partOf(heads);
  return (
    <>
      <div className="lens-setup" role="group" aria-label="What is shown of attention">
        {(model.n_encoder_layers ?? 0) > 0 ? <PartChoice model={model} part={part} /> : null}
        <Choice
          name="heads"
          head={heads.length === 1 ? 'Head' : 'Heads'}
          says={`${headsWords(heads, model)}${combinedWords(attention, heads)}`}
          changed={attention.picks.length > 0 || attention.combine !== ATTENTION.combine}
          wide
        >
          <HeadsMenu model={model} heads={heads} scores={scores} />
        </Choice>
        <Steps model={model} />
        <Choice
          name="measure"
          head="Measured by"
          says={<Measured measure={measure} rated={rated} />}
          changed={measure !== ATTENTION.measure}
        >
          <MeasureMenu rated={rated} />
        </Choice>
        <Choice
          name="mass"
          head="Kept"
          says={mass === 1 ? 'every pair' : `${percent(mass)} of each row`}
          changed={mass !== ATTENTION.mass}
        >
          <KeptMenu />
        </Choice>
        <Choice
          name="special"
          head="Special tokens"
          says={special}
          changed={special !== ATTENTION.special}
        >
          <SpecialMenu />
        </Choice>
        {pair === '' ? null : (
          <Choice
            name="between"
            head="Pairs"
            says={BETWEEN_WORDS[attention.between]}
            changed={attention.between !== ATTENTION.between}
          >
            <BetweenMenu />
          </Choice>
        )}
        {part === 'encoder' ? null : (
          <>
            <Choice
              name="queries"
              head="From"
              says={queryWords(queries, position, length)}
              changed={queries !== ATTENTION.queries}
            >
              <QueriesMenu position={position} length={length} />
            </Choice>
            <Choice
              name="against"
              head="Other prompt"
              says={attention.against === '' ? 'none' : againstWords(attention.against, prompt)}
              changed={attention.against !== ''}
              wide
            >
              <AgainstMenu heads={heads} length={length} />
            </Choice>
          </>
        )}
        <Reset />
        <span className="setup-end">{children}</span>
      </div>
      <Misfit model={model} />
    </>
  );
}

const PARTS: ReadonlyArray<readonly [Part, string, string]> = [
  ['self', 'decoder', 'Tokens of the prompt look at those before them'],
  ['cross', 'to the source', 'Tokens of the prompt look at those of the source'],
  ['encoder', 'encoder', 'Tokens of the source look at each other'],
];

/** Whose attention, of a model that reads a source. */
function PartChoice({ model, part }: { model: ModelInfo; part: Part }) {
  return (
    <Segments
      name="part"
      label="Whose attention"
      value={part}
      options={PARTS}
      onChange={(value) => setAttention({ picks: [middleLayer(model, value)], focus: null })}
    />
  );
}

function combinedWords({ combine }: AttentionState, heads: readonly Head[]): string {
  if (heads.length < 2) return '';
  return heads.every(({ weight }) => weight === 1) ? `, ${combine}` : `, weighted ${combine}`;
}

function Measured({ measure, rated }: { measure: AttentionState['measure']; rated: Rated | null }) {
  if (measure !== 'target') return measure === 'moved' ? 'what is moved' : 'attention';
  return (
    <>
      effect on <bdi className="token">{rated?.label ?? '…'}</bdi>
    </>
  );
}

export function queryWords(
  queries: AttentionState['queries'],
  position: number | null,
  length: number,
): string {
  if (queries === 'all') return length === 0 ? 'every token' : `all ${length} tokens`;
  if (queries === 'position') return `token ${position ?? '…'} alone`;
  return `tokens ${formatPositions(queries)}`;
}

/** The same heads one layer on, or one layer back. */
function Steps({ model }: { model: ModelInfo }) {
  const { picks } = useAttentionSpec();
  const step = (by: 1 | -1, label: string, sign: string, key: string) => {
    const next = shifted(picks, model, by);
    return (
      <button
        type="button"
        className="icon-button"
        aria-label={label}
        title={`${label} (${key})`}
        data-testid={by > 0 ? 'layer-up' : 'layer-down'}
        disabled={next === null}
        onClick={() => (next ? setAttention({ picks: next }) : undefined)}
      >
        {sign}
      </button>
    );
  };
  return (
    <span className="flow-steps">
      {step(-1, 'The same heads one layer earlier', '−', '[')}
      {step(1, 'The same heads one layer later', '+', ']')}
    </span>
  );
}

/** Back to the start, but for the heads. */
function Reset() {
  const attention = useAttentionSpec();
  const { measure, combine, special, mass, queries, against } = ATTENTION;
  const start = { ...attention, measure, combine, special, mass, queries, against };
  if (JSON.stringify(attention) === JSON.stringify(start)) return null;
  return (
    <button
      type="button"
      className="quiet"
      data-testid="attention-reset"
      title="Everything as at the start, but for the heads"
      onClick={() => setAttention(start)}
    >
      Reset
    </button>
  );
}

/** Heads of the address that this model does not have: which it has. */
function Misfit({ model }: { model: ModelInfo }) {
  const { picks } = useAttentionSpec();
  const problem = picks.length > 0 ? picksProblem(formatPicks(picks), model) : null;
  if (problem === null) return null;
  const middle = middleLayer(model);
  return (
    <p className="problem field-problem" data-testid="heads-misfit">
      {problem}{' '}
      <button type="button" className="try" onClick={() => setAttention({ picks: [middle] })}>
        Show layer {middle.layer}
      </button>
    </p>
  );
}
