/** An edit as the text fields of a form, and back. */
import {
  formatTarget,
  isOfEncoder,
  kindOf,
  misfit,
  parseTarget,
  type Kind,
  type Target,
} from './address';
import {
  formatPairs,
  formatPositions,
  parsePairs,
  parsePositions,
  parseValue,
  takesPairs,
  takesPositions,
  takesSign,
  takesStage,
  takesValue,
  type Between,
  type Edit,
  type Operation,
  type PatchSource,
  type Take,
} from './edits';
import { editProblem, type EditModel, type EditProblem } from './editProblem';

export interface Draft {
  kind: Kind;
  /** Of an encoder that reads a source. */
  encoder: boolean;
  layer: string;
  index: string;
  /** Of a latent that is named with its site. */
  at: string;
  site: string;
  query: string;
  key: string;
  operation: Operation;
  value: string;
  positions: string;
  stage: Edit['stage'];
  sign: Edit['sign'];
  source: string;
  /** What an encoder reads there; empty: the same. */
  sourceSource: string;
  /** The second text there, of a sentence pair; empty: none. */
  sourcePair: string;
  sourcePositions: string;
  take: Take | 'same';
  seed: string;
  pairs: string;
  between: Between | '';
  renormalise: boolean;
}

/** The fields of the form for an edit. */
export function toDraft(made: Edit): Draft {
  const target = parseTarget(made.target) ?? { kind: 'head', layer: 0, head: 0 };
  const text = (value: number | undefined) => (value === undefined ? '' : String(value));
  return {
    kind: target.kind,
    encoder: isOfEncoder(target),
    layer: 'layer' in target ? String(target.layer) : '0',
    index:
      target.kind === 'head' || target.kind === 'cross_head'
        ? String(target.head)
        : target.kind === 'neuron'
          ? String(target.neuron)
          : target.kind === 'latent'
            ? String(target.index)
            : '0',
    at: target.kind === 'latent' ? (target.at ?? '') : '',
    site: target.kind === 'site' ? target.site : 'resid_post',
    query: 'query' in target ? text(target.query) : '',
    key: 'key' in target ? text(target.key) : '',
    operation: made.operation,
    value: Array.isArray(made.value)
      ? made.value.join(', ')
      : made.value === null
        ? ''
        : String(made.value),
    positions: formatPositions(made.positions),
    stage: made.stage,
    sign: made.sign,
    source: made.source?.prompt ?? '',
    sourceSource: made.source?.source ?? '',
    sourcePair: made.source?.pair ?? '',
    sourcePositions: formatPositions(made.source?.positions ?? null),
    take: made.source?.take ?? 'same',
    seed: String(made.source?.seed ?? 0),
    pairs: formatPairs(made.pairs),
    between: made.between ?? '',
    renormalise: made.renormalise,
  };
}

/** The edit that the fields say, or the first thing that is wrong with them. */
export function readDraft(
  draft: Draft,
  initial: Edit,
  model: EditModel,
): { made: Edit } | { problem: EditProblem } {
  const fail = (field: EditProblem['field'], message: string) => ({ problem: { field, message } });
  const target = readTarget(draft);
  if (!target) return fail('target', 'Layer, head and neuron are whole numbers from 0.');
  const outside = misfit(target, model);
  if (outside) return fail('target', outside);
  const positions = parsePositions(draft.positions);
  if (typeof positions === 'string') return fail('positions', positions);
  const from = parsePositions(draft.sourcePositions);
  if (typeof from === 'string') return fail('source', from);
  if (draft.take === 'drawn' && !/^\d{1,15}$/.test(draft.seed))
    return fail('source', 'The seed is a whole number from 0.');
  const value = takesValue(draft.operation) ? parseValue(draft.value) : null;
  if (typeof value === 'string')
    return fail('value', draft.operation === 'scale' ? 'Write a number.' : value);
  const paired = takesPairs(draft.operation);
  const pairs = paired && draft.between === '' ? parsePairs(draft.pairs) : null;
  if (typeof pairs === 'string') return fail('pairs', pairs);
  const made: Edit = {
    target: formatTarget(target),
    operation: draft.operation,
    value,
    positions: takesPositions(draft.operation) ? positions : null,
    stage: hasStages(draft.kind) && takesStage(draft.operation) ? draft.stage : 'post',
    sign: takesSign(draft.operation) ? draft.sign : 1,
    source: draft.operation === 'patch' ? patchSource(draft, from) : null,
    pairs,
    between: paired && draft.between !== '' ? draft.between : null,
    renormalise: paired && draft.renormalise,
    enabled: initial.enabled,
  };
  const problem = editProblem(made, model);
  return problem ? { problem } : { made };
}

function patchSource(draft: Draft, positions: number[] | null): PatchSource {
  const { source, sourceSource, sourcePair, take } = draft;
  const seed = take === 'drawn' ? Number(draft.seed) : 0;
  return {
    prompt: source,
    positions: take === 'drawn' ? null : positions,
    ...(sourceSource === '' ? {} : { source: sourceSource }),
    ...(sourcePair === '' ? {} : { pair: sourcePair }),
    ...(take === 'same' ? {} : { take }),
    ...(seed === 0 ? {} : { seed }),
  };
}

/** Whether its activation function has an argument that can be edited. */
function hasStages(kind: Kind): boolean {
  return kindOf(kind).stages.includes('pre');
}

function readTarget(draft: Draft): Target | null {
  const pair =
    (draft.kind === 'head' || draft.kind === 'cross_head') && draft.query !== ''
      ? `@${draft.query}${draft.key === '' ? '' : `<${draft.key}`}`
      : '';
  const layer = `${draft.encoder ? 'E' : 'L'}${draft.layer}`;
  const names: Record<Kind, string> = {
    embed: 'embed',
    head: `${layer}.H${draft.index}${pair}`,
    neuron: `${layer}.N${draft.index}`,
    latent: `${layer}.${draft.at === '' ? '' : `${draft.at}.`}F${draft.index}`,
    attn: `${layer}.attn`,
    mixer: `${layer}.mixer`,
    cross: `${layer}.cross`,
    cross_head: `${layer}.X${draft.index}${pair}`,
    mlp: `${layer}.mlp`,
    ple: `${layer}.ple`,
    site: `${layer}.${draft.site}`,
  };
  return parseTarget(names[draft.kind]);
}
