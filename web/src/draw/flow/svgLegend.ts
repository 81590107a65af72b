/** What the colours and widths of a saved picture mean: it is looked at without the page. */
import type { Scene } from './scene';
import { written, type Ink } from '../svgText';
import { css } from '../lut';

export const LEGEND_HEIGHT = 92;

const BAR = 180;
const STEPS = 48;
const GAP = 40;
const ROW = 56;
const TOP = 16;

export function legendParts(scene: Scene, vocabulary: number, token: Ink): string[] {
  const maps = mapsOf(scene, vocabulary);
  const bars = maps.flatMap((map, at) => bar(map, at * (BAR + GAP), token));
  const swatches = swatchesOf(scene);
  let x = 0;
  const keys = swatches.flatMap(({ colour, name }) => {
    const left = x;
    x += 26 + name.length * 5.4;
    return [
      `<rect x="${left}" y="${ROW}" width="14" height="8" fill="${colour}"/>`,
      written(name, left + 18, ROW + 8, { fill: token('--text-2') }),
    ];
  });
  const words = written(WIDTHS, x + 10, ROW + 8, { fill: token('--text-2') });
  return [...bars, ...keys, words];
}

const WIDTHS =
  'Widths: norms in the stream share one scale; attention scores, activations and queries each have their own.';

interface Map {
  name: string;
  colour: (share: number) => number;
  ticks: [string, string];
}

function mapsOf({ colours, colourBy, side }: Scene, vocabulary: number): Map[] {
  const most = vocabulary.toLocaleString('en');
  const log = colours.palette.rank_scale === 'log';
  const nats =
    colours.palette.entropy_bits === null
      ? Math.log(vocabulary)
      : colours.palette.entropy_bits * Math.log(2);
  const ends = `${nats.toFixed(1)} nats`;
  const boxes: Map[] = [];
  const read = side.output.entropy !== null;
  if (read && colourBy === 'rank')
    boxes.push({
      name: `box: rank of the target${log ? ', log scale' : ''}`,
      colour: (share) =>
        colours.rank(Math.max(1, log ? vocabulary ** share : Math.round(vocabulary * share))),
      ticks: ['1', most],
    });
  const entropy = colourBy === 'entropy' ? 'box and ribbon: entropy' : 'ribbon: entropy';
  const attention = colourBy === 'attention' ? 'box and ribbon: attention' : 'ribbon: attention';
  return [
    ...boxes,
    ...(read
      ? [
          {
            name: entropy,
            colour: (share) => colours.entropy(share * nats),
            ticks: ['0', ends],
          } satisfies Map,
        ]
      : []),
    { name: attention, colour: colours.attention, ticks: ['0', '1'] },
  ];
}

function bar(map: Map, left: number, token: Ink): string[] {
  const step = BAR / STEPS;
  const cells = Array.from({ length: STEPS }, (_, at) => {
    const colour = css(map.colour(at / (STEPS - 1)));
    return `<rect x="${left + at * step}" y="${TOP}" width="${step + 0.5}" height="8" fill="${colour}"/>`;
  });
  const [low, high] = map.ticks;
  return [
    ...cells,
    written(map.name, left, TOP - 5, { fill: token('--text') }),
    written(low, left, TOP + 20, { fill: token('--text-2') }),
    written(high, left + BAR, TOP + 20, { fill: token('--text-2'), anchor: 'end' }),
  ];
}

function swatchesOf({ colours }: Scene): Array<{ colour: string; name: string }> {
  const { palette } = colours;
  return [
    { colour: palette.residual_attn, name: 'past the attention' },
    { colour: palette.residual_mlp, name: 'past the feed-forward' },
    { colour: palette.norm, name: 'through a norm' },
    { colour: palette.positive, name: 'activation above 0' },
    { colour: palette.negative, name: 'below 0' },
    { colour: palette.bias, name: 'bias' },
  ];
}
