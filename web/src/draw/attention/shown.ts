/** What the drawing is given, and what it tells. */
import type { ColourMaps, Theme } from '../lut';
import type { Attention, Mode } from './data';
import type { PanelMode, Pattern } from './pattern';
import type { Inks } from './style';

/** A token of one column: the queries, on the left, or the keys, on the right. */
export interface Focus {
  side: 'query' | 'key';
  position: number;
}

export type Layout = 'columns' | 'matrix' | 'both';

/** What the pointer or the keyboard is on. Key −1 is the sink: no token. */
export type Pointed =
  | ({ kind: 'token' } & Focus)
  | { kind: 'pair'; query: number; key: number }
  | ({ kind: 'head'; head: string } & Focus);

/** The drawing keeps none of it itself, but where it is scrolled to, its zoom, and what is hovered. */
export interface AttentionShown {
  attention: Attention;
  mode: Mode;
  layout: Layout;
  theme: Theme;
  maps?: ColourMaps;
  /** Its pairs alone are lit, and the map across from it has its row. */
  focus: Focus | null;
  /** "L5.H2": this head alone in place of the heads made one. */
  head: string | null;
}

export interface AttentionEvents {
  /** Also by keyboard, with its place in the page; null: nothing any more. */
  hover: (at: Pointed | null, place: DOMRect | null) => void;
  /** A click or Enter on a token; null: on the same again, on the ground, or Esc. */
  focus: (focus: Focus | null) => void;
  /** A head of a head map was clicked. */
  head: (name: string) => void;
  /** A pair was clicked; without it, its query is focused. */
  pair?: (query: number, key: number) => void;
  /** A drag or a zoom begins: what floats beside something no longer lies there. */
  moved: () => void;
}

/** What one panel draws: of one pattern, with what is chosen and pointed at in any of them. */
export interface PanelView {
  pattern: Pattern;
  mode: PanelMode;
  /** Named where both sides are shown. */
  named: boolean;
  inks: Inks;
  lut: Uint32Array;
  /** The token whose pairs are lit: the one in focus, else the one under the pointer. */
  lit: Focus | null;
  pointed: Pointed | null;
  /** Where the keyboard is. */
  cursor: Focus | null;
}

/** The other column. */
export function across(side: Focus['side']): Focus['side'] {
  return side === 'query' ? 'key' : 'query';
}

export function sameFocus(one: Focus | null, other: Focus | null): boolean {
  return one?.side === other?.side && one?.position === other?.position;
}

export function samePointed(one: Pointed | null, other: Pointed | null): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
