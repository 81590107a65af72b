/** What is attributed, how it is estimated, what is listed: one quiet line. */
import type { ModelInfo } from '../../shared/api/queries';
import { Choice } from '../../shared/parts/Choice';
import { Segments } from '../../shared/parts/parts';
import { useSpec } from '../../shared/state/store';
import { formatPositions } from '../../shared/text/edits';
import { shorten, showSpaces } from '../../draw/tokens';
import {
  ATTRIBUTION,
  setAttribution,
  settled,
  useAttributionSpec,
  type Attribution,
} from './attributionState';
import { EstimateMenu, ESTIMATORS, ListedMenu, TargetMenu, TracedMenu } from './AttributionMenus';
import { isMeasuringChosen, MeasuredMenu, measuredWords } from './MeasuredMenu';
import { BesideMenu } from './BesideMenu';
import type { Comparison } from './query';
import { stepOf } from './trail';

interface Props {
  model: ModelInfo;
  answer: Comparison | null;
  /** Tokens of the prompt. */
  length: number;
}

const SIGNS = [
  ['both', '±', 'Whatever the sign'],
  ['positive', '+', 'Only what raises the answer'],
  ['negative', '−', 'Only what lowers it'],
] as const;

export function AttributionSetup({ model, answer, length }: Props) {
  const state = useAttributionSpec();
  const { target, distractor } = useSpec();
  const tracing = state.trace.length > 0;
  const labelled = model.labels.length > 0; // the answer says the label better than its target
  return (
    <div className="lens-setup" role="group" aria-label="What is attributed, and what is listed">
      {stepOf(state.trace.at(-1) ?? '').down ? null : tracing ? (
        <Choice
          name="held"
          head="Norms upstream"
          says={state.frozen === 'all' ? 'held' : 'live'}
          changed={state.frozen === 'all'}
        >
          <TracedMenu />
        </Choice>
      ) : (
        <>
          <Choice
            name="attributed"
            head="Explains"
            says={
              <Explained target={labelled ? '' : target} distractor={distractor} answer={answer} />
            }
            changed={target !== ''}
          >
            <TargetMenu model={model} />
          </Choice>
          <Choice
            name="beside"
            head="Beside"
            says={state.beside === '' ? 'nothing' : <bdi>{shorten(state.beside, 24)}</bdi>}
            changed={state.beside !== ''}
            wide
          >
            <BesideMenu />
          </Choice>
          <Choice
            name="estimate"
            head="Estimated by"
            says={estimateWords(state)}
            changed={isEstimateChosen(state)}
            wide
          >
            <EstimateMenu model={model} length={length} />
          </Choice>
        </>
      )}
      <Choice
        name="listed"
        head="Listed"
        says={listedWords(state)}
        changed={isListChosen(state)}
        wide
      >
        <ListedMenu model={model} answer={answer} length={length} />
      </Choice>
      {tracing ? null : (
        <Choice
          name="measured"
          head="Measured"
          says={measuredWords(state)}
          changed={isMeasuringChosen(state)}
          wide
        >
          <MeasuredMenu model={model} answer={answer} length={length} />
        </Choice>
      )}
      <Segments
        name="sign"
        label="Sign of what is listed"
        value={state.sign}
        options={SIGNS}
        onChange={(sign: Attribution['sign']) => setAttribution({ sign }, 'replace')}
      />
      <input
        className="attribution-find"
        type="search"
        data-testid="find"
        aria-label="Only rows whose node or token has this text"
        placeholder="node or token"
        autoComplete="off"
        spellCheck={false}
        value={state.find}
        onChange={(event) => setAttribution({ find: event.target.value }, 'replace')}
      />
      <Reset />
    </div>
  );
}

interface ExplainedProps {
  target: string;
  distractor: string;
  answer: Comparison | null;
}

function Explained({ target, distractor, answer }: ExplainedProps) {
  if (target === '') return <bdi>{answer?.baseline.objective ?? 'its own answer'}</bdi>;
  return (
    <>
      <bdi className="token">{showSpaces(target)}</bdi>
      {distractor === '' ? null : (
        <>
          {' '}
          less <bdi className="token">{showSpaces(distractor)}</bdi>
        </>
      )}
    </>
  );
}

const NORMS: Record<Attribution['frozen'], string> = {
  none: '',
  final: ', final norm held',
  all: ', norms held',
};

const AGAINST_WORDS: Record<Attribution['against'], string> = {
  zero: '',
  mean: ', against the mean',
  prompt: ', against the other prompt',
  resample: ', against drawn positions',
};

function estimateWords(state: Attribution): string {
  const { frozen, against, pairs, qk, wholes } = state;
  const estimator = settled(state);
  const held = estimator === 'relp' ? '' : NORMS[frozen];
  const from = AGAINST_WORDS[against];
  const heads = `${pairs ? '' : ', whole heads'}${qk === 'none' ? '' : ', queries and keys'}`;
  const more = wholes ? ', whole branches' : '';
  return `${ESTIMATORS[estimator][0].toLowerCase()}${held}${from}${heads}${more}`;
}

function isEstimateChosen(state: Attribution): boolean {
  const names = [
    'estimator',
    'frozen',
    'against',
    'pairs',
    'steps',
    'references',
    'qk',
    'wholes',
  ] as const;
  return names.some((name) => state[name] !== ATTRIBUTION[name]);
}

function listedWords({ top_k, kinds, layers, positions }: Attribution): string {
  const parts = [
    ...(kinds ? [kinds.length > 2 ? `${kinds.length} kinds` : kinds.join(', ')] : []),
    ...(layers ? [`layers ${formatPositions([...layers])}`] : []),
    ...(positions ? [`at ${formatPositions([...positions])}`] : []),
  ];
  return [`the first ${top_k}`, ...parts].join(' · ');
}

function isListChosen({ top_k, kinds, layers, positions }: Attribution): boolean {
  return top_k !== ATTRIBUTION.top_k || Boolean(kinds ?? layers ?? positions);
}

/** Back to the start, but for what kind of row is shown. */
function Reset() {
  const state = useAttributionSpec();
  const { grouping, open, trace } = state;
  const start = { ...ATTRIBUTION, grouping, open, trace };
  if (JSON.stringify(state) === JSON.stringify(start)) return null;
  return (
    <button
      type="button"
      className="quiet"
      data-testid="attribution-reset"
      title="Everything as at the start"
      onClick={() => setAttribution(start)}
    >
      Reset
    </button>
  );
}
