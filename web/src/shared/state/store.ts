/**
 * What the page shows: `spec` is the address bar, the rest is passing.
 *
 * Every change of spec goes through `change`, which writes the address; back and forward come in
 * through `open`. So the address and the page cannot disagree.
 */
import { create } from 'zustand';
import { edit, type Edit } from '../text/edits';
import { isPlainAblation, switched, type Switch } from '../text/editList';
import { addressOf, MAX_EDITS, type Address, type Spec } from '../text/url';

export interface Notice {
  text: string;
  action?: { label: string; run: () => void };
}

export interface Store {
  spec: Spec;
  /** What could not be read of the address. */
  problems: string[];
  notice: Notice | null;
  /** Space is held: every view shows the baseline. */
  holding: boolean;
  help: boolean;
  /** The dialog of saved runs is open. */
  runs: boolean;
  access: 'checking' | 'granted' | 'refused';
  accessProblem: string | null;
  /** Horizontal scroll shared by the token strip and the lens, px. */
  scrollX: number;
  /** Vertical scroll of the lens, px. */
  scrollY: number;
  /** Pixels per token while a zoom is under way; the address takes it over at its end. */
  zoom: number | null;
  /** Width of the lens's vertical scroll bar, px: the strip leaves as much free, so that both end together. */
  scrollBar: number;
  /** The prompt's tokens as the last answer counts them; for the keyboard. */
  positions: number;
  /** The position in force. */
  position: number | null;
}

/** Of the views that the page has; none until `setAddress`. */
let address: Address = addressOf([]);

export const useStore = create<Store>(() => ({
  spec: { ...address.DEFAULTS },
  problems: [],
  notice: null,
  holding: false,
  help: false,
  runs: false,
  access: 'checking',
  accessProblem: null,
  scrollX: 0,
  scrollY: 0,
  zoom: null,
  scrollBar: 0,
  positions: 0,
  position: null,
}));

export function setAddress(of: Address): void {
  address = of;
  useStore.setState({ spec: { ...of.DEFAULTS } });
}

export function useSpec(): Spec {
  return useStore((state) => state.spec);
}

/** `push` makes a step that Back undoes; `replace` is for moving about. */
export function change(patch: Partial<Spec>, how: 'push' | 'replace' = 'push'): void {
  const { spec } = useStore.getState();
  const next = { ...spec, ...patch };
  const [before, after] = [address.encodeSpec(spec), address.encodeSpec(next)];
  useStore.setState({ spec: next, problems: [] });
  if (before === after) return;
  const url = `${location.pathname}${location.search}${after ? `#${after}` : ''}`;
  if (how === 'push') history.pushState(null, '', url);
  else history.replaceState(null, '', url);
}

/** Reads the address bar: at the start, and when Back, Forward or a pasted link change it. */
export function open(): void {
  const { spec, problems } = address.decodeSpec(location.hash);
  useStore.setState({ spec, problems });
}

export function notify(text: string, action?: Notice['action']): void {
  useStore.setState({ notice: action ? { text, action } : { text } });
}

// ------------------------------------------------------------------ edits

export function addEdit(made: Edit): void {
  const { spec } = useStore.getState();
  if (spec.edits.length >= MAX_EDITS) notify(`At most ${MAX_EDITS} edits can be kept.`);
  else change({ edits: [...spec.edits, made] });
}

export function replaceEdit(index: number, made: Edit): void {
  const { spec } = useStore.getState();
  change({ edits: spec.edits.with(index, made) });
}

export function removeEdit(index: number): void {
  const { edits } = useStore.getState().spec;
  const removed = edits[index];
  if (!removed) return;
  change({ edits: edits.toSpliced(index, 1) });
  notify(`Removed the edit of ${removed.target}.`, {
    label: 'Undo',
    run: () => change({ edits: useStore.getState().spec.edits.toSpliced(index, 0, removed) }),
  });
}

/** Switches a node off or on everywhere; the same switch again takes it back. */
export function switchNode(target: string, operation: Switch): void {
  const edits = switched(useStore.getState().spec.edits, target, operation);
  if (edits.length > MAX_EDITS) notify(`At most ${MAX_EDITS} edits can be kept.`);
  else change({ edits });
}

/** Zeroes a node everywhere, or takes that back. */
export function toggleAblation(target: string): void {
  const { edits } = useStore.getState().spec;
  const index = edits.findIndex((made) => isPlainAblation(made, target));
  if (index >= 0) removeEdit(index);
  else {
    addEdit(edit(target));
    notify(`${target} is switched off: zero at every position.`);
  }
}
