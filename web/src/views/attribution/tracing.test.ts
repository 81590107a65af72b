import { describe, expect, it } from 'vitest';
import type { Schemas } from '../../shared/api/client';
import { address } from '../../app/address';
import { setAddress, useStore } from '../../shared/state/store';
import { ATTRIBUTION, traceOn } from './attributionState';
import { attributionPython } from './python';
import { columnsOf, filtered, keyOf, largest, rowsOf } from './rows';
import { traceBody, tracedSides } from './tracing';
import { carriesOn, isStep, isTraceable, isWriter, stepOf, trailOf, waysInto } from './trail';

const at = (embedding: number, looked_at: number | null) => ({
  embedding,
  heads: 1,
  neurons: 0,
  others: 0,
  looked_at,
});

/** One way in: what a node does, and where. */
function part(objective: string, total: number, looked_at: number | null) {
  return {
    objective,
    n_nodes: 5,
    components: [{ name: 'L0.H1', kind: 'pair', layer: 0, total, direct: null }],
    at_positions: [at(total, looked_at)],
    rows: [],
  } as unknown as Schemas['Attribution'];
}

const TRACE = {
  words: 'score of head 1 of layer 2 from 4 to 3',
  value: 7,
  cost: 'four passes',
  rows: [{ name: 'L0.H1@4<0' }],
  parts: [part('by its query', 2, null), part('by its key', 3, 4)],
} as unknown as Schemas['Trace'];

describe('a trace as an attribution', () => {
  it('has the sums over both ways in', () => {
    const found = tracedSides({ baseline: TRACE, edited: null });
    expect(found?.edited).toBeNull();
    expect(found?.baseline).toMatchObject({
      objective: TRACE.words,
      value: 7,
      rows: TRACE.rows,
      components: [{ name: 'L0.H1', total: 5, direct: null }],
      at_positions: [{ embedding: 5, heads: 2, neurons: 0, looked_at: 4 }],
    });
  });
});

describe('a trail', () => {
  it('is asked for as its last step, after those before it', () => {
    const trace = ['L12.H1@14<2:q', 'L11.H3@14<10:v'];
    expect(traceBody({ ...ATTRIBUTION, trace })).toEqual({
      node: 'L11.H3@14<10',
      through: 'v',
      trail: ['L12.H1@14<2:q'],
    });
    expect(traceBody({ ...ATTRIBUTION, trace: ['L1.N5@2'], sort_by: 'measured' })).toEqual({
      node: 'L1.N5@2',
    });
  });

  it('has steps that are one number of the run each', () => {
    const written = ['L9.H6@14<3', 'L12.N512@4:gate', 'L9.H6@14', 'embed@3', 'L1.X2@3<1', 'L1.N5'];
    expect(written.map(isStep)).toEqual([true, true, false, false, false, false]);
    expect(stepOf('L12.N512@4:gate')).toEqual({
      node: 'L12.N512@4',
      through: 'gate',
      down: false,
    });
    expect(isTraceable({ id: 'L9.H6@14<3', other: 3 })).toBe(false);
  });

  it('has four ways into a pair, two into a gated neuron', () => {
    expect(waysInto('L9.H6@14<3', null)).toEqual(['qk', 'q', 'k', 'v']);
    expect(waysInto('L9.H6@14<3', null, true)).toEqual(['qk', 'q', 'k']); // towards a label
    expect(waysInto('L1.N5@2', 'gate')).toEqual(['gate', 'pre']);
    expect(waysInto('L1.N5@2', 'pre')).toEqual([]);
  });

  it('grows upstream, lists nodes, and is in the address', () => {
    setAddress(address);
    globalThis.history ??= { pushState: () => undefined } as unknown as History;
    globalThis.location ??= { pathname: '', search: '' } as Location;
    traceOn('L12.H1@14<2', null, false);
    traceOn('L11.N238@14', null, false);
    const { spec } = useStore.getState();
    expect(spec.attribution.trace).toEqual(['L12.H1@14<2', 'L11.N238@14']);
    const written = address.encodeSpec(spec);
    expect(address.decodeSpec(`#${written}`).spec.attribution).toEqual(spec.attribution);
  });

  it('may turn downstream, and is asked for as far as it goes one way', () => {
    const trace = ['L12.H1@14<2:q', 'L3.N5@2:down', 'L9.H6@14<2:v:down'];
    expect(trace.map(isStep)).toEqual([true, true, true]);
    expect(
      [
        'embed@3',
        'embed@3:down',
        'L5.mlp_bias@4:down',
        'L5.resid_pre@4:down',
        'L1.N5@2:q:v:down',
      ].map(isStep),
    ).toEqual([false, true, true, false, false]);
    expect(trailOf(trace)).toEqual(['L3.N5@2:down']);
    expect(carriesOn(trace)).toBe(true);
    expect(carriesOn(['L3.N5@4:down', 'L9.H6@14<2:v:down'])).toBe(false);
    expect(
      traceBody({ ...ATTRIBUTION, trace, pairs: false, frozen: 'all', measured: true }),
    ).toEqual({
      node: 'L9.H6@14<2',
      through: 'v',
      trail: ['L3.N5@2'],
      direction: 'downstream',
      measured: true,
    });
    expect(traceBody({ ...ATTRIBUTION, trace: [...trace, 'L3.H1@2<1:k'], measured: true })).toEqual(
      {
        node: 'L3.H1@2<1',
        through: 'k',
      },
    );
    expect(isWriter({ id: 'embed@3', other: null })).toBe(true);
    expect(isWriter({ id: 'L3.mlp_error@3', other: null })).toBe(false);
  });

  it('lists readers each way in by itself, with bars of their own', () => {
    const reader = (name: string, through: string, total: number) => ({
      name,
      kind: 'pair',
      reads: 'score',
      through,
      layer: 2,
      position: 4,
      key: 2,
      effect: total,
      value: 9,
      measured: null,
    });
    const readers = [
      reader('L2.H1@4<2', 'q', 3),
      reader('L2.H1@4<2', 'k', -2),
      reader('L2.H2@4<2', 'v', 90),
    ];
    const trace = {
      direction: 'downstream',
      words: 'what it writes',
      value: 5,
      tokens: [],
      cost: '',
      readers,
    } as unknown as Schemas['Trace'];
    const found = tracedSides({ baseline: trace, edited: null });
    if (!found) throw new Error('there is a side');
    const rows = rowsOf(found, ATTRIBUTION, 'baseline');
    expect(rows.map(keyOf)).toEqual(['L2.H1@4<2:q', 'L2.H1@4<2:k', 'L2.H2@4<2:v']);
    expect(rows[1]?.numbers).toEqual({ value: 9, effect: -2, lost: null });
    const columns = columnsOf('nodes', 'baseline', rows);
    expect(columns.map(({ name }) => name)).toEqual(['value', 'effect']);
    expect(columns.at(1)?.write(1285.633)).toBe('+1286');
    expect(columns.at(1)?.write(-0.25)).toBe('−0.250');
    expect(largest(rows, columns)).toEqual({ 'pair q': 3, 'pair k': 2, 'pair v': 90 });
    expect(filtered(rows, { ...ATTRIBUTION, sign: 'negative' }, 'baseline', []).map(keyOf)).toEqual(
      ['L2.H1@4<2:k'],
    );
    const edited = {
      ...trace,
      readers: [reader('L2.H1@4<2', 'q', 4)],
    } as unknown as Schemas['Trace'];
    const both = tracedSides({ baseline: trace, edited });
    const changed = both ? rowsOf(both, ATTRIBUTION, 'difference') : [];
    expect(changed[0]?.numbers).toMatchObject({
      'effect.baseline': 3,
      'effect.edited': 4,
      'effect.change': 1,
    });
  });

  it('is Python of its own', () => {
    const { DEFAULTS } = address;
    const attribution = { ...ATTRIBUTION, trace: ['L12.H1@14<2:q', 'L11.H3@14<10:v'] };
    const spec = { ...DEFAULTS, prompt: 'Hi', target: ' Tokyo', attribution };
    const model = { name: 'gemma3-270m', n_layers: 18 } as Schemas['ModelInfo'];
    expect(attributionPython({ model, spec, position: 14 })).toContain(
      'found = ue.trace(model, prompt, "L11.H3@14<10", through="v", trail=("L12.H1@14<2:q",), target=" Tokyo", position=14, top_k=200)',
    );
  });
});
