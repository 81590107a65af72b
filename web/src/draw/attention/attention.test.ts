import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attentionCard } from './card';
import { edgesBetween } from './curves';
import { PROMPTS, readAttention } from './data';
import { edgesOf } from './edges';
import { example, token, VALUES } from './example';
import { descent, geometryOf, middle, positionAt, trace } from './geometry';
import { hitColumns } from './hitColumns';
import { mapData } from './headMap';
import { half, unpacked } from './json';
import { blocks } from './matrixPaint';
import { comparable, headsAt, panelModes, patternOf, textStarts, valueAt } from './pattern';
import { colourOf, lutOf, scaleOf, shareOf } from './scale';
import { attentionSvg } from './svg';
import { attentionJson, attentionLines, attentionSentence, keptWords, partners } from './text';

const NONE = '#000000';

describe('the pairs that are kept', () => {
  /** By brute force: the smallest count of the strongest that holds the part. */
  function keptOf(row: number[], mass: number): number[] {
    const order = row
      .map((value, key) => [Math.abs(value), key] as const)
      .filter(([size]) => size > 0)
      .sort((one, other) => other[0] - one[0] || one[1] - other[1]);
    const whole = order.reduce((sum, [size]) => sum + size, 0);
    for (let count = 0; count <= order.length; count++) {
      const held = order.slice(0, count).reduce((sum, [size]) => sum + size, 0);
      if (mass < 1 && held >= mass * whole) return order.slice(0, count).map(([, key]) => key);
    }
    return order.map(([, key]) => key);
  }

  it('are the fewest of each row that hold the part, for every matrix and part', () =>
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.integer({ min: -8, max: 8 }), { minLength: 4, maxLength: 4 }), {
          minLength: 1,
          maxLength: 5,
        }),
        fc.constantFrom(0, 0.25, 0.5, 0.75, 1),
        (rows, mass) => {
          const found = edgesOf(Float32Array.from(rows.flat()), rows.length, 4, mass);
          for (const [row, values] of rows.entries()) {
            const keys = [...found.keys].filter((_, at) => found.rows[at] === row);
            expect(keys.toSorted()).toEqual(keptOf(values, mass).toSorted());
          }
          const sizes = [...found.values].map(Math.abs);
          expect(sizes).toEqual(sizes.toSorted((one, other) => other - one));
        },
      ),
    ));
});

describe('a pattern', () => {
  it('of one head is that head, with edges by the rule of the result', () => {
    const attention = readAttention(example(false));
    const pattern = patternOf(attention, 'baseline', 'L0.H1');
    expect([...(pattern.values ?? [])]).toEqual(VALUES[1]);
    expect(pattern.edges).toEqual(edgesOf(Float32Array.from(VALUES[1] ?? []), 3, 3, 0.7));
    expect(patternOf(attention, 'baseline', 'L0.H1')).toBe(pattern);
  });

  it('of all heads has the edges of the result', () => {
    const { edges } = patternOf(readAttention(example(false)), 'baseline', null);
    expect([...edges.values]).toEqual([1, 0.625]);
  });

  it('of a difference is edited minus baseline, and has a sign', () => {
    const attention = readAttention(example(true));
    const pattern = patternOf(attention, 'difference', null);
    expect(valueAt(pattern, 2, 0)).toBeCloseTo(0.125 - 0.3125);
    expect(pattern.signed).toBe(true);
    const heads = headsAt(pattern, 'query', 2) ?? new Float32Array();
    expect([...heads]).toEqual([0, 0, 0, -0.375, 0, 0.375]);
  });

  it('has maps that are the means over keys and over queries', () => {
    const { maps } = patternOf(readAttention(example(false)), 'baseline', null);
    expect([...maps.sent].map((one) => one.toFixed(4))).toEqual(Array(6).fill('0.3333'));
    expect(maps.received[0]).toBeCloseTo((1 + 0.5 + 0.125) / 3);
    expect(maps.received[5]).toBeCloseTo(0.25 / 3);
  });

  it('shows no rounding as a change of what heads send', () => {
    const attention = readAttention(example(true));
    const difference = patternOf(attention, 'difference', null);
    expect(mapData(difference, 'query', null).flat).toBe(true);
    expect(mapData(difference, 'key', null).flat).toBe(false);
    const alike = readAttention(example(true));
    if (alike.edited)
      alike.edited.combined = alike.baseline.combined?.map((one) => one + 1e-8) ?? null;
    expect(patternOf(alike, 'difference', null).most).toBeGreaterThan(1e-4);
  });

  it('has one scale for both sides', () => {
    const attention = readAttention(example(true));
    if (attention.edited) attention.edited.combined = Float32Array.of(4, 0, 0, 0, 0, 0, 0, 0, 0);
    for (const mode of ['baseline', 'edited'] as const)
      expect(patternOf(attention, mode, null).most).toBe(4);
  });

  it('has a sink only where attention goes to one, made one as the heads are', () => {
    const sink = { dtype: 'F32' as const, shape: [2, 3], values: [0, 0.25, 0.5, 0.5, 0.25, 0] };
    const attention = readAttention(example(false, {}, { 'baseline.sink': sink }));
    expect([...(patternOf(attention, 'baseline', null).sink ?? [])]).toEqual([0.25, 0.25, 0.25]);
    expect([...(patternOf(attention, 'baseline', 'L0.H1').sink ?? [])]).toEqual([0.5, 0.25, 0]);
    const moved = readAttention(example(false, { measure: 'moved' }, { 'baseline.sink': sink }));
    expect(patternOf(moved, 'baseline', null).sink).toBeNull();
  });

  it('without an edited side is that of the baseline in every mode', () => {
    const attention = readAttention(example(false));
    for (const mode of ['edited', 'difference', 'beside'] as const)
      expect(panelModes(attention, mode)).toEqual(['baseline']);
  });

  it('of one text on another has the tokens of both', () => {
    const keys = [token(7, 'x'), token(8, 'y'), token(9, 'z')];
    const attention = readAttention(example(false, { part: 'cross', key_tokens: keys }));
    const at = { kind: 'pair', query: 1, key: 1 } as const;
    expect(attentionSentence(attention, 'baseline', at, null)).toContain('A at 1 looks at y at 1');
    expect(attentionLines(attention)[1]).toEqual(['baseline', 'L0.H0', 0, '<s>', 0, 'x', 1]);
  });

  it('knows the rows of the queries that were asked', () => {
    const attention = readAttention(example(false, { queries: [0, 2, 1] }));
    expect([...attention.baseline.rowOf]).toEqual([0, 2, 1]);
  });
});

describe('its words', () => {
  it('say whom a token looks at, strongest first', () => {
    const attention = readAttention(example(false));
    const at = { kind: 'token', side: 'query', position: 2 } as const;
    expect(attentionSentence(attention, 'baseline', at, null)).toBe(
      'query ␣y at 2 looks at ␣y at 2 0.438, <s> at 0 0.313, A at 1 0.250',
    );
    const key = { kind: 'token', side: 'key', position: 1 } as const;
    expect(attentionSentence(attention, 'baseline', key, 'L0.H1')).toContain('is looked at by A');
  });

  it('say the number of a pair on both sides and its change', () => {
    const card = attentionCard(
      readAttention(example(true)),
      'difference',
      { kind: 'pair', query: 2, key: 0 },
      null,
    );
    expect(card.title).toBe('␣y (2) looks at <s> (0)');
    expect(card.sides.map(({ facts }) => facts[0])).toEqual([
      ['together', '0.313'],
      ['together', '0.125'],
    ]);
    expect(card.sides[1]?.facts.at(-1)).toEqual(['change', '−0.188']);
  });

  it('say how many pairs are drawn, and of how many', () =>
    expect(keptWords(patternOf(readAttention(example(false)), 'baseline', null))).toBe(
      '2 of 6 pairs drawn as curves: of each query the fewest that hold 70 % of its row',
    ));

  it('list every pair of every head once, and those of the heads together', () => {
    const lines = attentionLines(readAttention(example(false)));
    expect(lines).toHaveLength(1 + 3 * 6);
    expect(lines[1]).toEqual(['baseline', 'L0.H0', 0, '<s>', 0, '<s>', 1]);
  });

  it('leave out what is 0', () => {
    const pattern = patternOf(readAttention(example(false)), 'baseline', null);
    expect(partners(pattern, { side: 'key', position: 2 }, 9)).toEqual([
      { position: 2, value: 0.4375 },
    ]);
  });
});

describe('its colours', () => {
  it('are empty for an exact 0, the ground for a signed nothing, ends for the largest', () => {
    const lut = lutOf(false, 'light');
    expect(colourOf(0, 1, false, lut)).toBe(0);
    expect(colourOf(1, 1, false, lut)).toBe(lut[255]);
    expect(shareOf(0.25, 1, false)).toBe(0.5);
    expect([shareOf(-1, 1, true), shareOf(0.25, 1, true)]).toEqual([0, 0.75]);
  });

  it('have ticks where their numbers are', () => {
    const attention = readAttention(example(true));
    expect(scaleOf(patternOf(attention, 'baseline', null)).ticks).toEqual(['0', '0.250', '1.00']);
    expect(scaleOf(patternOf(attention, 'difference', null)).ticks[1]).toBe('0');
  });
});

describe('its places', () => {
  const pattern = patternOf(readAttention(example(false)), 'baseline', null);
  const geometry = geometryOf(pattern, 600, 20, 60);

  it('find the token of a height, and the curve under a point', () => {
    expect(positionAt(geometry, middle(geometry, 2))).toBe(2);
    expect(positionAt(geometry, 61)).toBeNull();
    const { from, to } = geometry.curves;
    const at = { x: (from + to) / 2, y: 52 + middle(geometry, 1) };
    expect(hitColumns(pattern, geometry, 0, at, [0, 1])).toEqual({
      kind: 'pair',
      query: 1,
      key: 1,
    });
    expect(hitColumns(pattern, geometry, 0, { x: geometry.keys.from + 2, y: 53 }, [])).toEqual({
      kind: 'token',
      side: 'key',
      position: 0,
    });
    expect(hitColumns(pattern, geometry, 0, { x: 1, y: 55 }, [])).toMatchObject({ head: 'L0.H0' });
  });

  it('say how far a curve has come down as the curve itself does', () => {
    let path: number[] = [];
    trace(
      { moveTo: () => {}, bezierCurveTo: (...places) => (path = places) },
      { from: 0, to: 1 },
      0,
      1,
    );
    const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = path;
    for (const t of [0.1, 0.4, 0.7]) {
      const mix = (one: number, other: number) =>
        3 * (1 - t) ** 2 * t * one + 3 * (1 - t) * t * t * other + t ** 3;
      expect(descent(mix(x1, x2))).toBeCloseTo(mix(y1, y2), 5);
    }
  });

  it('leave out curves that neither begin nor end in a window', () =>
    expect(edgesBetween(pattern, geometry, 25, 35).chosen).toEqual([1]));
});

describe('what is packed', () => {
  it('is read as half precision has it', () => {
    expect([0x3c00, 0xc000, 0x3555, 0x0001, 0].map(half)).toEqual([
      1,
      -2,
      0.333251953125,
      2 ** -24,
      0,
    ]);
  });

  it('has zeros where rows end', () => {
    const data = btoa(String.fromCharCode(0, 0x3c, 0, 0x40, 0, 0x42));
    expect([...unpacked({ shape: [2, 2], unit: 0.5, lengths: [1, 2], data })]).toEqual([
      0.5, 0, 1, 1.5,
    ]);
  });
});

it('a block of cells shows its largest, with its sign', () =>
  expect([...blocks(Float32Array.of(1, -3, 0, 2), 2, 2, 2).values]).toEqual([-3]));

it('is saved as a picture with every token, and no markup of theirs', () => {
  const attention = readAttention(example(true));
  const { svg } = attentionSvg({
    shown: { attention, mode: 'beside', layout: 'both', theme: 'light', focus: null, head: null },
    heading: '<s>A y',
    model: 'tiny',
    token: () => NONE,
  });
  expect(svg).toContain('&#60;s&#62;');
  expect(svg.match(/<path/g)).toHaveLength(4);
  expect(svg).not.toContain('<s>');
});

describe('a sentence pair', () => {
  const lines = (queries: number[], layout: 'columns' | 'matrix') => {
    const whole = readAttention(example(false, { segments: [0, 0, 1] }));
    const attention = { ...whole, baseline: { ...whole.baseline, queries } };
    const { svg } = attentionSvg({
      shown: { attention, mode: 'baseline', layout, theme: 'light', focus: null, head: null },
      heading: '',
      model: 'tiny',
      token: () => NONE,
    });
    return [...svg.matchAll(/<path d="(M[\d. ]+[HV][\d.]+)" stroke/g)].map(([, path]) => path);
  };

  it('has a line above the second text in both columns', () =>
    expect(lines([0, 1, 2], 'columns')).toHaveLength(2));

  it('has a line above its first row and one before its first key in the matrix', () => {
    expect(lines([0, 1, 2], 'matrix')).toEqual(['M0 47.5H72', 'M47.5 0V72']);
    // Of the first text no row is there: the second one's is the first.
    expect(lines([2], 'matrix')).toHaveLength(1);
  });

  it('of one text alone has none', () => {
    const attention = readAttention(example(false));
    expect(textStarts(patternOf(attention, 'baseline', null))).toEqual([]);
  });
});

describe('two prompts', () => {
  /** The other one has two tokens, and is asked for its last alone. */
  const apart = () => {
    const buffer = example(
      false,
      {},
      {
        'edited.values': { dtype: 'F32', shape: [2, 1, 2], values: [0.25, 0.75, 0.5, 0.5] },
        'edited.combined': { dtype: 'F32', shape: [1, 2], values: [0.375, 0.625] },
        'edited.edge_queries': { dtype: 'U32', shape: [1], values: [1] },
        'edited.edge_keys': { dtype: 'U32', shape: [1], values: [0] },
        'edited.edge_values': { dtype: 'F32', shape: [1], values: [0.625] },
      },
      { queries: [1], tokens: [token(0, '<s>'), token(6, 'B')] },
    );
    return readAttention(buffer, PROMPTS);
  };

  it('have rows, tokens and edges of their own', () => {
    const attention = apart();
    const other = patternOf(attention, 'edited', 'L0.H1');
    expect([other.rows, other.keys, attention.length]).toEqual([1, 2, 3]);
    expect([...other.rowOf]).toEqual([-1, 0]);
    expect(valueAt(other, other.rowOf[1] ?? -1, 1)).toBe(0.5);
    expect([...patternOf(attention, 'edited', null).edges.rows]).toEqual([0]);
    expect([...(patternOf(attention, 'baseline', 'L0.H1').values ?? [])]).toEqual(VALUES[1]);
    expect([...(attention.edited?.received ?? [])]).toEqual([0.25, 0.75, 0.5, 0.5]);
  });

  it('of different lengths have no difference', () => {
    expect(comparable(apart())).toBe(false);
    expect(comparable(readAttention(example(true), PROMPTS))).toBe(true);
  });

  it('are named as prompts, not as runs', () => {
    const attention = readAttention(example(true), PROMPTS);
    const at = { kind: 'token', side: 'query', position: 2 } as const;
    const said = [
      attentionSentence(attention, 'beside', at, null),
      JSON.stringify(attentionCard(attention, 'beside', at, null).sides.map(({ name }) => name)),
      scaleOf(patternOf(attention, 'difference', null)).name,
      attentionLines(attention)
        .map(([side]) => side)
        .join(),
    ];
    for (const words of said) expect(words).toContain('other prompt');
    for (const words of said) expect(words).not.toMatch(/baseline|edited/);
    const saved = attentionJson({}, apart()) as { edited: { name: string; shape: number[] } };
    expect(saved.edited).toMatchObject({
      name: 'other prompt',
      shape: [2, 1, 2],
      edges: [[1, 0, 0.625]],
    });
  });
});
