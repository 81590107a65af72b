/** The one pop-up of the app: what is under the pointer, frozen while Shift is held. */
import { create } from 'zustand';

export interface PeekToken {
  label: string;
  probability: number;
  /** Absent where vectors have no scale of their own: then the column is left out. */
  logit?: number;
}

export interface PeekSide {
  side: 'baseline' | 'edited';
  top: PeekToken[];
  /** What is asked about, in the columns of the list, with its place. */
  score?: { label: string; probability: string; logit: string; rank: string } | null;
  /** What else it says, read another way: a line of tokens each. */
  also?: Array<[name: string, tokens: string[]]>;
  facts: Array<[name: string, value: string]>;
}

export interface PeekContent {
  title: string;
  note?: string;
  sides: PeekSide[];
  /** Keys that act on it, in words; where the pop-up is frozen the action is a button, too. */
  hint?: string;
  action?: { label: string; run: () => void };
}

export interface Anchor {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

interface Peek {
  content: PeekContent | null;
  anchor: Anchor;
  frozen: boolean;
}

const SHOW_MS = 150;
const HIDE_MS = 80;
const NOWHERE: Anchor = { left: 0, top: 0, right: 0, bottom: 0 };
let timer: ReturnType<typeof setTimeout> | undefined;

export const usePeek = create<Peek>(() => ({ content: null, anchor: NOWHERE, frozen: false }));

/** Shows after 150 ms; at once when the pop-up is already up and only moves. */
export function showPeek(anchor: Anchor, content: PeekContent): void {
  if (usePeek.getState().frozen) return;
  clearTimeout(timer);
  const show = () => usePeek.setState({ anchor, content });
  if (usePeek.getState().content) show();
  else timer = setTimeout(show, SHOW_MS);
}

export function hidePeek(): void {
  if (usePeek.getState().frozen) return;
  clearTimeout(timer);
  timer = setTimeout(() => usePeek.setState({ content: null }), HIDE_MS);
}

export function freezePeek(frozen: boolean): void {
  if (usePeek.getState().frozen === frozen) return;
  usePeek.setState({ frozen });
  if (!frozen) hidePeek();
}

export function dropPeek(): void {
  clearTimeout(timer);
  usePeek.setState({ content: null, frozen: false });
}
