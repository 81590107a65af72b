/** One colour for a box on the canvas and in a Python figure: these are what figures/flow_palettes.py gives. */
import { describe, expect, it } from 'vitest';
import { decodeFlow, type FlowLink, type FlowNode } from './data';
import { flowColours, PALETTES } from './colours';
import { unpack, type Theme } from '../lut';
import { LINK, flowExample, VOCABULARY } from './example';

const hex = (word: number) =>
  `#${unpack(word)
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')}`;

const RANKS = [1, 18, 196, 197, 1000, 7000, 30_000, 42_000, 47_000, 50_257];
const NATS = [0, 1.5, 6, 10.8];
const SCORES = [0, 0.25, 0.754, 1];

const GOLDEN: ReadonlyArray<readonly [string, Theme, string, string, string]> = [
  [
    'unembed',
    'light',
    '#14559b #629cd1 #b3cade #b3cade #c4c4be #c4c4be #c4c4be #c5af9b #c68a5a #c8641a',
    '#23304a #424f68 #a2abba #e2e4e8',
    '#dcebe8 #8fc4bd #0b6d68 #06403d',
  ],
  [
    'unembed',
    'dark',
    '#8cc4ff #3c7ab7 #395a7e #395a7e #5a5a56 #5a5a56 #5a5a56 #7a6852 #b5814c #f09a45',
    '#e3e9f4 #c2cad9 #646e7c #33373e',
    '#1f3331 #2c5f5a #5dc2bb #b4ece6',
  ],
  [
    'visit',
    'light',
    '#00ff00 #00ff00 #00ff00 #2fff0d #caff1e #696969 #696969 #c85226 #b10000 #8b0000',
    '#2f4f4f #466262 #8e9c9c #d3d3d3',
    '#f0e68c #f8f346 #7ebf00 #008000',
  ],
  [
    'visit-2',
    'dark',
    '#800080 #800080 #800080 #800280 #800a80 #804680 #808080 #abab54 #dfdf20 #ffff00',
    '#2f4f4f #466262 #8e9c9c #d3d3d3',
    '#800080 #808080 #81817e #ffff00',
  ],
];

describe.each(GOLDEN)('%s, %s', (name, theme, ranks, entropies, scores) => {
  const colours = flowColours(name, theme, VOCABULARY);

  it('colours ranks, entropies and attention scores as the Python figures do', () => {
    expect(RANKS.map((rank) => hex(colours.rank(rank))).join(' ')).toBe(ranks);
    expect(NATS.map((nats) => hex(colours.entropy(nats))).join(' ')).toBe(entropies);
    expect(SCORES.map((score) => hex(colours.attention(score))).join(' ')).toBe(scores);
  });
});

it('has VISIT’s green for rank 18 of 50,257, up to rank 196', () => {
  const { rank } = flowColours('visit', 'dark', 50_257);
  expect(hex(rank(18))).toBe('#00ff00');
  expect(hex(rank(196))).toBe('#00ff00');
  expect(hex(rank(197))).not.toBe('#00ff00');
  expect(hex(rank(50_257))).toBe('#8b0000');
});

it('tells ranks 1, 10 and 100 apart in its own palette', () => {
  const { rank } = flowColours('unembed', 'light', 262_144);
  expect(new Set([1, 10, 100].map(rank)).size).toBe(3);
});

it('falls back to its own palette for a name that it does not know', () => {
  expect(PALETTES).toContain('unembed');
  expect(flowColours('no such', 'light', 100).plain).toBe(
    flowColours('unembed', 'light', 100).plain,
  );
});

describe('a box', () => {
  const { baseline } = decodeFlow(flowExample());
  const colours = flowColours('visit', 'light', VOCABULARY);
  const head = baseline.nodeOf.get('L14.H7') as FlowNode;
  const own = head.readings[0];

  it('takes the colour of what is asked for', () => {
    expect(colours.node(head, 'rank')).toBe(colours.rank(own?.target?.rank ?? 0));
    expect(colours.node(head, 'entropy')).toBe(colours.entropy(own?.entropy ?? 0));
    const key = baseline.nodeOf.get('L14.H7.key@0') as FlowNode;
    expect(colours.node(key, 'attention')).toBe(colours.attention(key.attention ?? 0));
  });

  it('has none where there is no such number', () => {
    expect(colours.node(head, 'attention')).toBeNull();
    expect(colours.node({ ...head, readings: [] }, 'rank')).toBeNull();
    const unrated = { ...head, readings: own ? [{ ...own, target: null }] : [] };
    expect(colours.node(unrated, 'rank')).toBeNull();
  });

  it('has none where the vector is zero: a reading of nothing says nothing', () => {
    const zero = { ...head, readings: own ? [{ ...own, norm: 0 }] : [] };
    expect(colours.node(zero, 'rank')).toBeNull();
    expect(colours.node(zero, 'entropy')).toBeNull();
  });
});

describe('a ribbon', () => {
  const colours = flowColours('visit', 'light', VOCABULARY);
  const link = (colour: FlowLink['colour'], value: number | null = null): FlowLink => ({
    ...LINK,
    id: 'a>b',
    source: 'a',
    target: 'b',
    kind: 'head',
    width: 1,
    colour,
    colour_value: value,
  });

  it('is blue for a positive activation and red for a negative one', () => {
    expect(colours.link(link('sign', 2)).colour).toBe('#0000ff');
    expect(colours.link(link('sign', 0)).colour).toBe('#0000ff');
    expect(colours.link(link('sign', -0.1)).colour).toBe('#ff0000');
  });

  it('keeps the alpha that its palette gives to bands', () => {
    expect(colours.link(link('residual_attn'))).toEqual({ colour: '#6600cc4d', alpha: 1 });
  });

  it('is plain where it has no number', () => {
    expect(colours.link(link('entropy')).colour).toBe(colours.plain);
    expect(colours.link(link('attention')).colour).toBe(colours.plain);
  });

  it('cannot be seen where it is hidden', () => {
    expect(colours.link(link('hidden')).alpha).toBe(0);
  });
});
