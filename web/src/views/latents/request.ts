/** What is filled in, as it is asked: of HTTP and of Python. Knows no page. */
import type { Schemas } from '../../shared/api/client';
import { hasColumn } from '../../shared/api/uploads';
import { LATENTS, type LatentsState } from './latentsState';

export type Measured = Schemas['Measured'];
export type Saes = Schemas['SaeList'];
export type Trained = Schemas['TrainedSae'];
export type Unfinished = Schemas['UnfinishedSae'];
export type Underway = Schemas['SaeUnderway'];
export type Estimate = Schemas['TrainingEstimate'];

/** Points of a curve, at least about. */
const POINTS = 20;
const SELDOM = 100_000; // tokens from one checkpoint to the next, at most

interface Size {
  n_layers: number;
}

/** The layer that is meant. */
export function layerOf({ layer }: LatentsState, { n_layers }: Size): number {
  return layer ?? Math.floor(n_layers / 2);
}

/** "L9.mlp_out", "L9.mlp_in>L9.mlp_out". */
export function siteOf(draft: LatentsState, model: Size): string {
  const layer = layerOf(draft, model);
  return draft.kind === 'transcoder'
    ? `L${layer}.mlp_in>L${layer}.mlp_out`
    : `L${layer}.${draft.site}`;
}

/** The name that it is kept under, where none is typed. */
export function nameOf(draft: LatentsState, model: Size): string {
  if (draft.name.trim() !== '') return draft.name.trim();
  const { activation, latents, k } = draft;
  return `${siteOf(draft, model).replace('>', '-')}-${activation}-${latents}-k${k}`;
}

/** The corpus that is learnt from: the one that is named, or the first. */
export function corpusOf(draft: LatentsState, corpora: readonly { name: string }[]): string {
  return draft.corpus || (corpora[0]?.name ?? '');
}

/** The options; what is as at the start is left out. */
export function optionsOf(draft: LatentsState) {
  const each = Math.min(SELDOM, Math.max(1, Math.ceil(draft.tokens / POINTS)));
  const same = <Name extends keyof LatentsState>(name: Name) => draft[name] === LATENTS[name];
  return {
    ...(same('latents') ? {} : { latents: draft.latents }),
    ...(same('k') ? {} : { k: draft.k }),
    ...(same('activation') ? {} : { activation: draft.activation }),
    ...(draft.skip && draft.kind === 'transcoder' ? { skip: true } : {}),
    ...(same('tokens') ? {} : { tokens: draft.tokens }),
    ...(same('uses') ? {} : { uses: draft.uses }),
    ...(each === SELDOM ? {} : { checkpoint: each }),
  };
}

/** What is wrong with it; null: it can be asked. */
export function lackOf(
  draft: LatentsState,
  model: Size,
  corpora: readonly { name: string }[],
  files: readonly { name: string }[],
): string | null {
  const layer = layerOf(draft, model);
  if (layer >= model.n_layers) return `Layers are 0–${model.n_layers - 1}.`;
  if (draft.k > draft.latents) return `At most ${draft.latents} of the latents can be active.`;
  if (!/^[A-Za-z0-9][\w.-]{0,63}$/.test(nameOf(draft, model)))
    return 'A name has up to 64 of A–Z a–z 0–9 . _ -, a letter or digit first.';
  if (draft.source === 'files') return files.length > 0 ? null : 'Choose files to learn from.';
  const name = corpusOf(draft, corpora);
  if (name === '') return 'There is no corpus yet: build one, or learn from files.';
  return corpora.some((one) => one.name === name) ? null : `There is no corpus ${name} here.`;
}

/** What is learnt from, in a request. */
export function sourceOf(
  draft: LatentsState,
  corpora: readonly { name: string }[],
  files: readonly File[],
  upload: string,
) {
  if (draft.source === 'corpus') return { corpus: corpusOf(draft, corpora) };
  return { upload, files: files.map(({ name }) => name) };
}

/** Whether it matters where the text is. */
export function asksColumn(draft: LatentsState, files: readonly File[]): boolean {
  return draft.source === 'files' && hasColumn(files);
}

/** The part of what ablation to zero costs that is kept; null where no loss is known. */
export function kept({ losses }: Measured): number | null {
  if (losses === null || losses === undefined) return null;
  const cost = losses.zero - losses.clean;
  return cost === 0 ? null : (losses.zero - losses.spliced) / cost;
}
