import { describe, expect, it } from 'vitest';
import type { Schemas } from '../../shared/api/client';
import { address } from '../../app/address';
import { setAddress, useStore } from '../../shared/state/store';
import { ATTRIBUTION, traceUpstream } from './attributionState';
import { attributionPython } from './python';
import { traceBody, tracedSides } from './tracing';
import { isTraceable, STEP, stepOf, waysInto } from './trail';

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
    expect(written.map((one) => STEP.test(one))).toEqual([true, true, false, false, false, false]);
    expect(stepOf('L12.N512@4:gate')).toEqual({ node: 'L12.N512@4', through: 'gate' });
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
    traceUpstream('L12.H1@14<2');
    traceUpstream('L11.N238@14');
    const { spec } = useStore.getState();
    expect(spec.attribution.trace).toEqual(['L12.H1@14<2', 'L11.N238@14']);
    const written = address.encodeSpec(spec);
    expect(address.decodeSpec(`#${written}`).spec.attribution).toEqual(spec.attribution);
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
