/** The longest start of a label that fits a width; measured once per label, since few fill many cells. */
import { shorten } from './tokens';

const ROOM_STEP = 3;
const MOST = 20_000;

export class FitText {
  private widths = new Map<string, number>();
  private fitted = new Map<string, string>();

  constructor(
    private readonly measure: (text: string) => number,
    readonly font: string,
  ) {}

  /** "" where not even two characters have room; a label that must stay whole is not cut at all. */
  fit(label: string, room: number, whole: boolean): string {
    if (this.width(label) <= room) return isolated(label);
    return whole ? '' : this.cut(label, Math.floor(room / ROOM_STEP) * ROOM_STEP);
  }

  width(label: string): number {
    let width = this.widths.get(label);
    if (width === undefined) {
      if (this.widths.size > MOST) this.widths.clear();
      width = this.measure(label);
      this.widths.set(label, width);
    }
    return width;
  }

  private cut(label: string, room: number): string {
    const key = `${room} ${label}`;
    let text = this.fitted.get(key);
    if (text === undefined) {
      if (this.fitted.size > MOST) this.fitted.clear();
      text = this.shortened(label, room);
      this.fitted.set(key, text);
    }
    return text;
  }

  /** Starts from what the average character allows, so that long labels need few tries. */
  private shortened(label: string, room: number): string {
    const characters = [...label].length;
    let length = Math.min(characters - 1, Math.ceil((room / this.width(label)) * characters) + 2);
    while (length > 1 && this.measure(shorten(label, length)) > room) length--;
    return length > 1 ? isolated(shorten(label, length)) : '';
  }
}

/** A cell is one line: marks of direction in a token must not reorder its neighbours. */
function isolated(text: string): string {
  return `\u2068${text}\u2069`;
}
