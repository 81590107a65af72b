/** Which prompts a patching grid is of, what is patched, how it is shown. */
import { QUESTIONS } from '../../questions.gen';
import { change, useSpec, useStore } from '../../shared/state/store';
import { choice, field, text, viewState, type Fields } from '../../shared/text/fields';
import { SETS } from '../../shared/text/pairs';
import { chosen, defaultsOf, optionFields, own, type Values } from '../../shared/text/options';

export const SHOWS = ['restored', 'value'] as const;
export const SITES = QUESTIONS.patch.site.choices;

/** The others are said by what views share, or are all. */
const OPTIONS = own(QUESTIONS.patch, [
  'corrupted',
  'target',
  'distractor',
  'position',
  'layers',
  'positions',
]);

/** Options of the question by their names there, and how it is shown. */
export interface Patching extends Values<typeof OPTIONS> {
  /** The other prompt. */
  corrupted: string;
  set: (typeof SETS)[number];
  /** The pairs of a file, as `pairs.ts` writes them. */
  own: string;
  /** What a cell says: how far it gets to the clean prompt's answer, or the objective itself. */
  show: (typeof SHOWS)[number];
  /** The chosen cell: row of the layer, and its column. */
  cell: readonly [layer: number, column: number] | null;
}

export const PATCHING: Readonly<Patching> = {
  ...defaultsOf(OPTIONS),
  corrupted: '',
  set: 'one',
  own: '',
  show: 'restored',
  cell: null,
};

export type PatchBody = Partial<Values<typeof OPTIONS>>;

export function patchingBody(state: Patching): PatchBody {
  return chosen(state, OPTIONS);
}

const FIELDS: Fields<Patching> = {
  pcor: text(PATCHING, 'corrupted'),
  pset: choice(PATCHING, 'set', SETS),
  pown: text(PATCHING, 'own'),
  pshow: choice(PATCHING, 'show', SHOWS),
  pcell: field(
    PATCHING,
    'cell',
    (written) => {
      const found = /^(\d{1,4}),(\d{1,6})$/.exec(written);
      return found ? ([Number(found[1]), Number(found[2])] as const) : undefined;
    },
    (cell) => cell.join(','),
  ),
  ...optionFields<Patching>('patching', OPTIONS, { site: 'psite', into: 'pinto' }),
};

export const patchingState = viewState(PATCHING, FIELDS);

declare module '../../shared/text/url' {
  interface ViewStates {
    patching: Patching;
  }
}

export function usePatchingSpec(): Patching {
  return useSpec().patching;
}

export function setPatching(patch: Partial<Patching>, how: 'push' | 'replace' = 'push'): void {
  const { patching } = useStore.getState().spec;
  change({ patching: { ...patching, ...patch } }, how);
}
