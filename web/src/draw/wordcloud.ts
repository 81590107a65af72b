/**
 * A word cloud: where words go so that none covers another. Same words, same picture.
 *
 * The height of a word is proportional to its weight. The first one stands in the middle; each
 * other one takes the first free place along a spiral, and the sizes are the largest with which
 * all of them find one. Knows no page: how wide a text is, the caller says.
 */

export interface CloudWord {
  text: string;
  weight: number;
}

export interface PlacedWord {
  /** Which of the words it is. */
  index: number;
  /** Middle of the word. */
  x: number;
  y: number;
  size: number;
  width: number;
  height: number;
}

export interface Cloud {
  placed: PlacedWord[];
  /** Words that would be too small to read. */
  left: number;
}

export interface Box {
  width: number;
  height: number;
}

const SMALLEST = 9;
const LARGEST = 44;
const LINE = 1.15;
const GAP = 3;
const STEP = 0.3;

/** `measure` gives the width of a text, px, at one pixel of size. Heaviest words first. */
export function layoutCloud(
  words: readonly CloudWord[],
  box: Box,
  measure: (text: string) => number,
): Cloud {
  const most = Math.max(...words.map((word) => word.weight), 0);
  if (most <= 0 || box.width <= 0 || box.height <= 0) return { placed: [], left: words.length };
  const widths = words.map((word) => measure(word.text));
  const attempt = (largest: number) => place(words, widths, box, largest / most);
  // The largest size at which every word that can be read has a place.
  let [low, high] = [SMALLEST, LARGEST];
  let best = attempt(low);
  while (high - low > 1) {
    const middle = (low + high) / 2;
    const found = attempt(middle);
    if (found.crowded) high = middle;
    else [low, best] = [middle, found];
  }
  return { placed: best.placed, left: words.length - best.placed.length };
}

interface Attempt {
  placed: PlacedWord[];
  /** A word that is large enough to be read found no place. */
  crowded: boolean;
}

function place(
  words: readonly CloudWord[],
  widths: readonly number[],
  box: Box,
  scale: number,
): Attempt {
  const placed: PlacedWord[] = [];
  let crowded = false;
  words.forEach((word, index) => {
    if (word.weight <= 0) return;
    const size = Math.max(SMALLEST, word.weight * scale);
    const shape = { width: (widths[index] ?? 0) * size + GAP, height: size * LINE };
    const free = firstFree(shape, placed, box);
    if (free) placed.push({ index, size, ...shape, ...free });
    else crowded = true;
  });
  return { placed, crowded };
}

/** Along a spiral from the middle, as wide as the box is compared with its height. */
function firstFree(
  shape: Box,
  placed: readonly PlacedWord[],
  box: Box,
): { x: number; y: number } | null {
  const [middleX, middleY] = [box.width / 2, box.height / 2];
  if (shape.width > box.width || shape.height > box.height) return null;
  const stretch = box.width / box.height;
  for (let angle = 0; ;) {
    const radius = 1.2 * angle;
    if (radius > middleY + shape.height) return null;
    const x = middleX + radius * stretch * Math.cos(angle);
    const y = middleY + radius * Math.sin(angle);
    const inside =
      Math.abs(x - middleX) + shape.width / 2 <= middleX &&
      Math.abs(y - middleY) + shape.height / 2 <= middleY;
    if (inside && !placed.some((other) => covers(other, { x, y, ...shape }))) return { x, y };
    // Steps of about equal length: wide turns are walked in smaller angles.
    angle += Math.min(0.6, STEP * (6 / Math.max(2, radius)));
  }
}

/** Whether two words overlap. */
export function covers(
  one: Box & { x: number; y: number },
  other: Box & { x: number; y: number },
): boolean {
  return (
    Math.abs(one.x - other.x) * 2 < one.width + other.width &&
    Math.abs(one.y - other.y) * 2 < one.height + other.height
  );
}
