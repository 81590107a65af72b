import { describe, expect, it } from 'vitest';
import { ATTRIBUTION, attributionBody, settled, type Attribution } from './attributionState';
import { measuredWords, nodesOf } from './MeasuredMenu';
import type { Comparison } from './query';
import {
  columnsOf,
  componentOf,
  componentsOf,
  filtered,
  rowsOf,
  signColumn,
  type Node,
} from './rows';
import { attributionTable } from './text';
import { besideOf, compared } from './twoPrompts';
import { paired, readPairs } from './pairing';
import { firstInSight, topOf } from './window';

const token = (id: number, text: string) => ({
  id,
  text,
  label: text.replace(' ', '␣'),
  special: false,
});
const TOKENS = [token(2, '<bos>'), token(7, ' Japan'), token(9, ' of')];

function node(name: string, total: number, more: Partial<Node> = {}): Node {
  const [, at = '0', key] = /@(\d+)(?:<(\d+))?$/.exec(name) ?? [];
  return {
    name,
    kind: key === undefined ? 'neuron' : 'pair',
    layer: 1,
    position: Number(at),
    key: key === undefined ? null : Number(key),
    activation: 0.5,
    write: 2,
    direct: 0.25,
    total,
    measured: null,
    ...more,
  } as Node;
}

const NODES = [node('L1.N5@2', -3), node('L1.H0@2<1', 2, { measured: 1.5 }), node('L1.N10@1', 1)];
const sums = { embedding: 1, heads: 2, neurons: -4, others: 0, looked_at: 0.5 };

function side(rows: Node[], heads = 2): Comparison['baseline'] {
  return {
    rows,
    tokens: TOKENS,
    position: 2,
    components: [
      { name: 'L1.H0', kind: 'pair', layer: 1, direct: 0.5, total: heads },
      { name: 'L1.N*', kind: 'neuron', layer: 1, direct: 0, total: -5 },
    ],
    at_positions: [sums, { ...sums, heads }, sums],
  } as unknown as Comparison['baseline'];
}

const PLAIN: Comparison = { baseline: side(NODES), edited: null, unlisted: {} };
const BOTH: Comparison = {
  baseline: side([NODES[0] as Node]),
  edited: side([node('L1.N5@2', -1), node('L1.N7@1', 4)], 9),
  unlisted: { baseline: [node('L1.N7@1', 0.5)], edited: [] },
};
const state = (some: Partial<Attribution>): Attribution => ({ ...ATTRIBUTION, ...some });
const ids = (rows: ReadonlyArray<{ id: string }>) => rows.map(({ id }) => id);

describe('rows', () => {
  it('are the nodes in the order in which they were listed', () => {
    const rows = rowsOf(PLAIN, ATTRIBUTION, 'baseline');
    expect(ids(rows)).toEqual(['L1.N5@2', 'L1.H0@2<1', 'L1.N10@1']);
    expect(rows[1]).toMatchObject({ position: 2, key: 1, numbers: { total: 2, measured: 1.5 } });
  });

  it('stand beside themselves in the other run, by how much they change', () => {
    const rows = rowsOf(BOTH, ATTRIBUTION, 'difference');
    expect(ids(rows)).toEqual(['L1.N7@1', 'L1.N5@2']);
    expect(rows[0]?.numbers).toMatchObject({
      'total.baseline': 0.5,
      'total.edited': 4,
      'total.change': 3.5,
    });
    expect(ids(rowsOf(BOTH, ATTRIBUTION, 'edited'))).toEqual(['L1.N5@2', 'L1.N7@1']);
  });

  it('have no change where one run has no such node', () => {
    const rows = rowsOf({ ...BOTH, unlisted: {} }, ATTRIBUTION, 'difference');
    expect(rows.find(({ id }) => id === 'L1.N7@1')?.numbers).toMatchObject({
      'total.baseline': null,
      'total.change': null,
    });
  });

  it('are components, largest first, or positions in their order', () => {
    const components = rowsOf(PLAIN, state({ grouping: 'components' }), 'baseline');
    expect(ids(components)).toEqual(['L1.N*', 'L1.H0']);
    const moved = rowsOf(BOTH, state({ grouping: 'components' }), 'difference');
    expect(moved[0]).toMatchObject({ id: 'L1.H0', numbers: { 'total.change': 7 } });
    const positions = rowsOf(PLAIN, state({ grouping: 'positions' }), 'baseline');
    expect(positions.map(({ numbers }) => numbers['sum'])).toEqual([-1, -1, -1]);
  });

  it('pass filters of sign and of text, also of a token', () => {
    const rows = rowsOf(PLAIN, ATTRIBUTION, 'baseline');
    const kept = (some: Partial<Attribution>) =>
      ids(filtered(rows, state(some), 'baseline', TOKENS));
    expect(kept({ sign: 'negative' })).toEqual(['L1.N5@2']);
    expect(kept({ sign: 'positive' })).toEqual(['L1.H0@2<1', 'L1.N10@1']);
    expect(kept({ find: 'japan' })).toEqual(['L1.H0@2<1', 'L1.N10@1']);
    expect(kept({ find: 'n1' })).toEqual(['L1.N10@1']);
    expect(kept({ order: 'name' })).toEqual(['L1.H0@2<1', 'L1.N5@2', 'L1.N10@1']);
    expect(kept({ order: 'position' })).toEqual(['L1.N10@1', 'L1.N5@2', 'L1.H0@2<1']);
    expect(kept({ order: 'measured' })[0]).toBe('L1.H0@2<1');
    expect(signColumn('difference', state({ sort_by: 'direct' }))).toBe('direct.change');
  });

  it('have a column of what was measured only where something was', () => {
    const names = (rows: ReturnType<typeof rowsOf>) =>
      columnsOf('nodes', 'baseline', rows).map(({ name }) => name);
    const rows = rowsOf(PLAIN, ATTRIBUTION, 'baseline');
    expect(names(rows)).toEqual(['activation', 'write', 'direct', 'total', 'measured']);
    expect(names(rows.slice(0, 1))).not.toContain('measured');
  });

  it('lead to components that have a page', () => {
    const of = (id: string, kind: string) => componentOf({ id, kind });
    expect(of('L9.H6@14<3', 'pair')).toBe('L9.H6');
    expect(of('L3.mlp_bias@8', 'bias')).toBeNull();
    expect(of('L3.N*', 'neuron')).toBeNull();
  });

  it('are a table with the text of their tokens', () => {
    const rows = rowsOf(PLAIN, ATTRIBUTION, 'baseline');
    const columns = columnsOf('nodes', 'baseline', rows);
    expect(attributionTable(rows, columns, TOKENS, 'nodes')[2]).toEqual([
      'L1.H0@2<1',
      'pair',
      1,
      2,
      ' of',
      1,
      ' Japan',
      0.5,
      2,
      0.25,
      2,
      1.5,
    ]);
  });
});

describe('the window of a long table', () => {
  it('finds the row at any scroll, with a row open or none', () => {
    for (const opened of [-1, 0, 3]) {
      const sizes = { row: 26, detail: 104, opened };
      for (let at = 0; at < 12; at++) {
        const top = topOf(at, sizes);
        expect(firstInSight(top, sizes)).toBe(at);
        expect(firstInSight(top + 25, sizes)).toBe(at);
      }
    }
  });
});

describe('the request', () => {
  const size = { layers: 4, positions: 3 };
  it('leaves out what is as at the start, and filters of what is not there', () => {
    expect(attributionBody(ATTRIBUTION, { target: '', distractor: '' }, size)).toEqual({
      sort_by: 'total',
      top_k: 200,
      verify: 0,
      kinds: null,
      layers: null,
      positions: null,
      target: null,
      distractor: null,
    });
    const chosen = state({ layers: [3, 9], positions: [7], verify: 500, estimator: 'relp' });
    expect(attributionBody(chosen, { target: ' a', distractor: ' b' }, size)).toMatchObject({
      layers: [3],
      positions: null,
      verify: 200,
      estimator: 'relp',
      target: ' a',
    });
  });
});

describe('the estimator that agreed best', () => {
  it('is integrated gradients against another prompt, else the gradient, unless one is named', () => {
    const of = (patch: Partial<Attribution>) => settled(state(patch));
    expect(ATTRIBUTION.estimator).toBe('best');
    expect(of({ against: 'prompt' })).toBe('integrated');
    expect([of({}), of({ against: 'mean' })]).toEqual(['gradient', 'gradient']);
    expect(of({ against: 'prompt', estimator: 'relp' })).toBe('relp');
  });
});

describe('what is measured', () => {
  it('says about how many nodes there are where some layers and positions are chosen', () => {
    const answer = { ...PLAIN, baseline: { ...PLAIN.baseline, n_nodes: 1200 } };
    const some = (layers: number[] | null, positions: number[] | null) =>
      nodesOf({ layers, positions }, answer, 4, 3);
    expect([some(null, null), some([1], null), some([1, 2], [0])]).toEqual([1200, 300, 200]);
    expect(nodesOf({ layers: null, positions: null }, null, 4, 3)).toBeNull();
  });

  it('compares with the prompts of its lines, and with none against zero', () => {
    const references = 'The capital of France\n\n of Italy';
    const asked = (against: Attribution['against']) =>
      attributionBody(state({ references, against }), { target: '', distractor: '' }, size);
    const size = { layers: 4, positions: 3 };
    expect(asked('mean').references).toEqual(['The capital of France', ' of Italy']);
    expect(asked('zero').references).toBeUndefined();
    expect(measuredWords(state({ verify_all: true, sample: 32 }))).toBe('all, others bounded');
  });
});

describe('two prompts', () => {
  const other = (label: string, id: number) => token(id, label);
  const OWN = side(NODES);
  const THEIRS = {
    ...side([node('L1.N5@3', -1), node('L1.H0@3<2', 5), node('L1.N9@2', 2)]),
    tokens: [TOKENS[0]!, other(' the', 4), other(' Republic', 5), TOKENS[2]!],
    position: 3,
    at_positions: [sums, sums, { ...sums, heads: 7 }, { ...sums, heads: 8 }],
  } as unknown as Comparison['baseline'];

  it('stand beside each other by their longest common parts', () => {
    const { tokens, columns, alone } = besideOf(OWN.tokens, THEIRS.tokens);
    expect([columns, alone]).toEqual([[0, 3, 4, 2], 2]);
    expect(tokens.map(({ label }) => label)).toEqual([
      '<bos>',
      '␣Japan',
      '␣of',
      '␣the′',
      '␣Republic′',
    ]);
    expect(besideOf(TOKENS, TOKENS.with(1, other(' France', 8))).tokens[1]?.label).toBe(
      '␣Japan / ␣France',
    );
  });

  it('stand beside each other as pairs by hand say, and both leave their partners for it', () => {
    const { columns, alone } = besideOf(OWN.tokens, THEIRS.tokens, [[1, 2]]);
    expect([columns, alone]).toEqual([[0, 3, 1, 2], 1]);
    const crossed = besideOf(OWN.tokens, THEIRS.tokens, [[2, 0]]);
    expect(crossed.columns).toEqual([2, 3, 4, 5]);
    expect(crossed.tokens[2]?.label).toBe('␣of / <bos>');
    expect(besideOf(OWN.tokens, THEIRS.tokens, [[9, 0]]).columns).toEqual([0, 3, 4, 2]);
    expect(paired(['1=2', '2=0', '0=3'], [1, 0])).toEqual(['0=3', '1=0']);
    expect(readPairs(['1=2', '1=3'])).toBeNull();
    const both = compared(OWN, THEIRS, [[1, 2]]);
    expect(both.edited?.rows.map(({ name }) => name)).toContain('L1.N9@1');
  });

  it('are compared with by those pairs where it is the same prompt', () => {
    const asked = (beside: string) =>
      attributionBody(
        state({ references: 'a b', against: 'prompt', beside, align: ['1=2'] }),
        { target: '', distractor: '' },
        { layers: 4, positions: 3 },
      ).align;
    expect([asked('a b'), asked('a c')]).toEqual([['1=2'], undefined]);
  });

  it('are a comparison whose nodes are matched by their place', () => {
    const both = compared(OWN, THEIRS);
    const rows = rowsOf(both, ATTRIBUTION, 'difference');
    const one = (id: string) => rows.find((row) => row.id === id);
    expect(one('L1.N5@2')?.numbers).toMatchObject({ 'total.baseline': -3, 'total.edited': -1 });
    expect(one('L1.N5@2')?.other).toBeNull();
    // A token of its own: the node keeps its position there, and a mark.
    expect(one('L1.N9@2′')).toMatchObject({ position: 4, other: 2 });
    expect(one('L1.H0@2<2′')).toMatchObject({ position: 2, key: 4, other: 3 });
    expect(both.edited?.position).toBe(2);
    expect(both.edited?.at_positions.map(({ heads }) => heads)).toEqual([2, 0, 8, 2, 7]);
    expect(both.baseline.at_positions[4]?.heads).toBe(0);
  });
});

describe('the components of the first rows', () => {
  it('come once each, without tokens and biases', () => {
    const rows = [
      ['L1.H2@3<1', 'pair'],
      ['L1.H2@4', 'head'],
      ['embed@0', 'embed'],
      ['L1.N5@3', 'neuron'],
      ['L0.N7@3', 'neuron'],
    ].map(([id, kind]) => ({ id, kind }) as { id: string; kind: 'neuron' });
    expect(componentsOf(rows, 2)).toEqual(['L1.H2', 'L1.N5']);
  });
});
