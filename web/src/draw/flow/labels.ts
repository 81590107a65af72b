/** What is written in the boxes: as much as they have room for, in letters of one size. */
import { FitText } from '../fitText';
import { isZero, type FlowNode } from './data';
import type { Box } from './layout';
import { caption, labelOf } from './scene';
import { probability } from '../format';

export interface FlowStyle {
  ground: string;
  raised: string;
  line: string;
  lineStrong: string;
  text: string;
  text2: string;
  darkText: string;
  lightText: string;
  accent: string;
  baseline: string;
  edited: string;
  positive: string;
  negative: string;
  mono: string;
  sans: string;
}

const PADDING = 4;
const LINE = 13;
const TEXT_FROM_HEIGHT = 9.5;
/** Less would show one letter and an ellipsis. */
const TEXT_FROM_WIDTH = 32;
const SECOND_LINE_FROM = 27;
const LIST_FROM_HEIGHT = 58;
const LIST_FROM_WIDTH = 104;
const UPRIGHT_FROM_WIDTH = 9;
const UPRIGHT_FROM_HEIGHT = 34;
/** At the right end, where a change is marked; in higher boxes the mark is above the text. */
const MARK = 9;
const MARKED = 32;
const FAINT = 0.75;

type Context = CanvasRenderingContext2D;

export class FlowLabels {
  private readonly fitters = new Map<string, FitText>();

  draw(context: Context, box: Box, ink: string, style: FlowStyle, marked: boolean): void {
    const { width, height } = box;
    context.fillStyle = ink;
    context.textBaseline = 'middle';
    if (width < TEXT_FROM_WIDTH || this.isBetterUpright(context, box, style))
      this.drawUpright(context, box, style);
    else if (height >= LIST_FROM_HEIGHT && width >= LIST_FROM_WIDTH && isRead(box.node))
      this.drawList(context, box, style);
    else if (height >= TEXT_FROM_HEIGHT)
      this.drawLine(
        context,
        box,
        width - 2 * PADDING - (marked && height < MARKED ? MARK : 0),
        style,
      );
  }

  /** "H7" before a head's row: the rows of heads are what a reader looks for first. */
  drawTag(context: Context, box: Box, style: FlowStyle): void {
    if (box.width < TEXT_FROM_WIDTH / 2 || box.height < 7) return;
    const width = this.fitter(context, `10px ${style.sans}`).width(caption(box.node));
    context.textBaseline = 'middle';
    context.textAlign = 'right';
    const [x, y] = [box.x - 4, box.y + box.height / 2];
    // A plate, since the link into the box ends right here.
    context.fillStyle = style.ground;
    context.fillRect(x - width - 2, y - 6, width + 4, 12);
    context.fillStyle = style.text2;
    context.fillText(caption(box.node), x, y);
    context.textAlign = 'left';
  }

  private drawLine(context: Context, box: Box, room: number, style: FlowStyle): void {
    const { node, height } = box;
    const small = caption(node);
    const main = labelOf(node) || small;
    // A query has its name beside it.
    const under = main === small || node.kind === 'query' ? '' : small;
    const below = under !== '' && height >= SECOND_LINE_FROM;
    const text = this.fitter(context, `${fontSize(height)}px ${style.mono}`);
    const middle = box.y + height / 2;
    context.fillText(text.fit(main, room, false), box.x + PADDING, middle + (below ? -6 : 0.5));
    if (under === '') return;
    const spare = room - text.width(main);
    if (below) this.drawSmall(context, box, under, room, middle + 7, style);
    else this.drawAtEnd(context, under, box.x + PADDING + room, spare - 6, middle + 0.5, style);
  }

  private drawSmall(
    context: Context,
    box: Box,
    words: string,
    room: number,
    y: number,
    style: FlowStyle,
  ): void {
    const { globalAlpha } = context;
    context.globalAlpha = globalAlpha * FAINT;
    const shown = this.fitter(context, `9px ${style.mono}`).fit(words, room, false);
    context.fillText(shown, box.x + PADDING, y);
    context.globalAlpha = globalAlpha;
  }

  /** To the right, whole or not at all. */
  private drawAtEnd(
    context: Context,
    words: string,
    right: number,
    room: number,
    y: number,
    style: FlowStyle,
  ): void {
    const { globalAlpha } = context;
    const width = this.fitter(context, `9px ${style.mono}`).width(words);
    if (width > room) return;
    context.globalAlpha = globalAlpha * FAINT;
    context.fillText(words, right - width, y);
    context.globalAlpha = globalAlpha;
  }

  /** Where a box is large: its name, its tokens with their probabilities, what it says of the target. */
  private drawList(context: Context, box: Box, style: FlowStyle): void {
    const { node } = box;
    const room = box.width - 2 * PADDING;
    const most = Math.floor((box.height - 2 * PADDING) / LINE);
    const own = node.readings[0];
    const tokens = own?.tokens ?? [];
    const score = own?.target;
    const shown = Math.max(1, Math.min(tokens.length, most - 1 - (score ? 1 : 0)));
    const lines = 1 + shown + (score ? 1 : 0);
    let y = box.y + box.height / 2 - ((lines - 1) * LINE) / 2;
    this.drawSmall(context, box, caption(node) || node.title, room, y, style);
    for (const { token, probability: share } of tokens.slice(0, shown)) {
      y += LINE;
      this.drawPair(context, box, token.label, probability(share), y, style);
    }
    if (!score) return;
    const rank = `#${score.rank.toLocaleString('en')}`;
    const words = `target ${probability(score.probability)}`;
    this.drawPair(context, box, words, rank, y + LINE, style);
  }

  private drawPair(
    context: Context,
    box: Box,
    left: string,
    right: string,
    y: number,
    style: FlowStyle,
  ): void {
    const room = box.width - 2 * PADDING;
    const width = this.fitter(context, `9px ${style.mono}`).width(right);
    const text = this.fitter(context, `11px ${style.mono}`);
    context.fillText(text.fit(left, room - width - 6, false), box.x + PADDING, y);
    this.drawAtEnd(context, right, box.x + box.width - PADDING, room, y, style);
  }

  /** Where a token has room from bottom to top, but not from left to right. */
  private isBetterUpright(context: Context, box: Box, style: FlowStyle): boolean {
    if (box.height < 1.4 * box.width) return false;
    const room = this.fitter(context, `11px ${style.mono}`).width(labelOf(box.node)) + 2 * PADDING;
    return room > box.width && room <= box.height;
  }

  /** In narrow tall boxes: from bottom to top. */
  private drawUpright(context: Context, box: Box, style: FlowStyle): void {
    if (box.width < UPRIGHT_FROM_WIDTH || box.height < UPRIGHT_FROM_HEIGHT) return;
    const text = this.fitter(context, `${fontSize(box.width)}px ${style.mono}`);
    const shown = text.fit(labelOf(box.node), box.height - 2 * PADDING, false);
    context.save();
    context.translate(box.x + box.width / 2 + 0.5, box.y + box.height / 2);
    context.rotate(-Math.PI / 2);
    context.textAlign = 'center';
    context.fillText(shown, 0, 0);
    context.restore();
  }

  private fitter(context: Context, font: string): FitText {
    context.font = font;
    let found = this.fitters.get(font);
    if (!found) {
      found = new FitText((text) => {
        context.font = font;
        return context.measureText(text).width;
      }, font);
      this.fitters.set(font, found);
    }
    return found;
  }
}

function isRead(node: FlowNode): boolean {
  return !isZero(node) && (node.readings[0]?.tokens.length ?? 0) > 0;
}

function fontSize(room: number): number {
  if (room >= 14) return 11;
  return room >= 12 ? 10 : 9;
}
