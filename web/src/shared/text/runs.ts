/** Saved runs as text: what the list says of one, what a file holds. Knows no network. */
import { saidOf } from './chat';
import type { components } from '../../api.gen';
import { describeOperation } from './edits';
import { shorten } from '../../draw/tokens';
import type { Spec } from './url';

export type SavedRun = components['schemas']['SavedRun'];

const FORMAT = 1;
const SHOWN_EDITS = 4;

/** "The capital of Japan … · L9.H2 off, L12.N512 × 2". */
export function summaryOf(spec: Spec): string {
  const edits = spec.edits.filter((made) => made.enabled);
  const shown = edits
    .slice(0, SHOWN_EDITS)
    .map((made) => `${made.target} ${describeOperation(made)}`);
  const more = edits.length > SHOWN_EDITS ? [`${edits.length - SHOWN_EDITS} more`] : [];
  const said = [...shown, ...more].join(', ');
  return [shorten(saidOf(spec), 120), ...(said ? [said] : [])].join(' · ');
}

/** A name to start from: the prompt's last words, and what is edited. */
export function nameFor(spec: Spec): string {
  const edits = spec.edits.filter((made) => made.enabled).map((made) => made.target);
  const words = saidOf(spec).split(/\s+/).slice(-5).join(' ');
  return shorten([words, ...edits.slice(0, 2)].filter(Boolean).join(', '), 60);
}

/** A file name without what file systems refuse. */
export function fileName(name: string): string {
  const plain = name
    .normalize('NFKD')
    .replaceAll(/[^\p{L}\p{N}]+/gu, '-')
    .replaceAll(/^-+|-+$/g, '');
  return `${shorten(plain, 60).replace('…', '') || 'run'}.unembed.json`;
}

/** The runs in a file, one or a list of them; a string is what is wrong with it. */
export function readRuns(text: string): SavedRun[] | string {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return 'This file is no JSON: choose one that was exported here.';
  }
  const list = Array.isArray(data) ? data : [data];
  if (list.length === 0) return 'There is no run in this file.';
  for (const run of list) {
    const problem = runProblem(run);
    if (problem) return problem;
  }
  return list as SavedRun[];
}

/** The server checks the rest. */
function runProblem(run: unknown): string | null {
  if (typeof run !== 'object' || run === null || !('unembed' in run))
    return 'This is no saved run: it does not say “unembed”.';
  if (run.unembed !== FORMAT)
    return `This run has format ${String(run.unembed)}; this version of Unembed reads ${FORMAT}.`;
  return 'spec' in run && typeof run.spec === 'string'
    ? null
    : 'This run has no “spec”, which would say what it shows.';
}
