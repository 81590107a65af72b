import { beforeEach, describe, expect, it } from 'vitest';
import { address } from '../../app/address';
import { setAddress, useStore } from '../../shared/state/store';
import { CIRCUIT, circuitBody, isCircuitName } from './circuitState';
import { mibName, readCircuit, toMib, WITHOUT_POSITIONS } from './files';
import { leaveAlone, putIn, readName, setByPosition, takeAllOut, takeOut } from './hand';
import type { SavedCircuit } from '../../shared/api/workspace';
import { fromKept } from './kept';
import type { CircuitAnswer } from './query';

const edge = (source: string, target: string, effect: number) => ({ source, target, effect });
const ALL = {
  n_heads: [2, 2],
  edges: [edge('L0.H1', 'L1.H0.q', -4), edge('embed', 'L0.mlp', 1), edge('L0.mlp', 'logits', 0.5)],
} as unknown as CircuitAnswer;
const MODEL = { n_layers: 2, d_model: 8, parallel_blocks: false };
const hand = () => {
  const { include, exclude } = useStore.getState().spec.circuit;
  return { include, exclude };
};

beforeEach(() => setAddress(address));

describe('a draw', () => {
  it('has its seed in the address and in what is asked', () => {
    const { spec } = address.decodeSpec('#v=1&view=circuit&zabl=resample&zseed=7');
    expect(spec.circuit.seed).toBe(7);
    expect(circuitBody(spec.circuit)).toMatchObject({ ablation: 'resample', seed: 7 });
    expect(address.encodeSpec(spec)).toContain('zseed=7');
    expect(circuitBody(CIRCUIT)).not.toHaveProperty('seed');
  });
});

describe('a circuit as a file', () => {
  it('is written as MIB writes it, and read again', () => {
    const written = toMib(ALL, new Set(['L0.H1>L1.H0.q', 'L0.mlp>logits']), MODEL);
    expect(written).toMatchObject({
      cfg: { n_layers: 2, n_heads: 2, parallel_attn_mlp: false, d_model: 8 },
      nodes: { input: { in_graph: false }, 'a0.h1': { in_graph: true }, m0: { in_graph: true } },
      edges: {
        'a0.h1->a1.h0<q>': { score: -4, in_graph: true },
        'input->m0': { score: 1, in_graph: false },
      },
    });
    expect(readCircuit(JSON.stringify(written))).toEqual(['L0.H1>L1.H0.q', 'L0.mlp>logits']);
    expect(mibName('L3.H2.v')).toBe('a3.h2<v>');
  });

  it('says where it was by position that MIB has none', () => {
    const written = toMib(ALL, new Set(['L0.H1@3>L1.H0.q@3']), MODEL);
    expect(written).toMatchObject({
      note: WITHOUT_POSITIONS,
      nodes: { 'a0.h1': { in_graph: true }, m0: { in_graph: false } },
      edges: { 'a0.h1->a1.h0<q>': { score: -4, in_graph: true } },
    });
    expect(readCircuit(JSON.stringify({ edges: [edge('L0.mlp@3', 'logits@3', 1)] }))).toEqual([
      'L0.mlp@3>logits@3',
    ]);
  });

  it('is read as it is saved here, and as Python writes it', () => {
    const names = ['L0.H1>L1.H0.q', 'embed>L0.mlp', 'L0.mlp>logits'];
    expect(readCircuit(JSON.stringify({ spec: {}, answer: ALL }))).toEqual(names);
    expect(readCircuit(JSON.stringify(ALL))).toEqual(names);
  });

  it('says what is wrong with anything else', () => {
    expect(readCircuit('{')).toContain('no JSON');
    expect(readCircuit('[1]')).toContain('no edges');
    expect(readCircuit('{"edges": {"a->b": {"in_graph": true}}}')).toContain('a->b');
    const many = Array.from({ length: 3000 }, (_, at) => edge('embed', `L${at}.mlp`, 1));
    expect(readCircuit(JSON.stringify({ edges: many }))).toContain('3,000');
  });
});

describe('a kept circuit', () => {
  const kept = (change: object) =>
    ({
      name: 'ioi',
      spec: '',
      corrupted: 'a b',
      prompt: 'a c',
      circuit: ALL,
      ...change,
    }) as SavedCircuit;

  it('that was not kept here opens as its edges by hand', () => {
    expect(fromKept(kept({}))).toBeNull();
    const { include, edges, by_position, corrupted } = useStore.getState().spec.circuit;
    expect([include.length, edges, by_position, corrupted]).toEqual([3, 0, false, 'a b']);
    expect(fromKept(kept({ circuit: { edges: [edge('embed@1', 'L0.mlp@1', 1)] } }))).toBeNull();
    expect(useStore.getState().spec.circuit.by_position).toBe(true);
    expect(fromKept(kept({ circuit: { edges: [edge('embed', 'x', 1)] } }))).toContain('embed>x');
  });
});

describe('by hand', () => {
  it('names are edges and nodes, however they are typed', () => {
    expect(readName(' l8.h1 -> L11.H3.q ')).toEqual({ name: 'L8.H1>L11.H3.q' });
    expect(readName('embed > L0.mlp')).toEqual({ name: 'embed>L0.mlp' });
    expect(readName('L9.H1')).toEqual({ name: 'L9.H1' });
    expect(readName('l8.h1@5 > L11.H3.q@5')).toEqual({ name: 'L8.H1@5>L11.H3.q@5' });
    expect(readName('L9')).toContain('Write an edge');
    expect(['L9.H1@3', 'L1.mlp@2>L2.mlp@3', 'L1.mlp>L2.mlp@3'].map(isCircuitName)).toEqual([
      true,
      false,
      false,
    ]);
    expect(['logits', 'L1.H0.q', 'L1.H0>L2.H0', 'L1.mlp>L2.mlp'].map(isCircuitName)).toEqual([
      true,
      false,
      false,
      true,
    ]);
  });

  it('of each position stands for all of them, once edges are over all', () => {
    setByPosition(true);
    putIn('L1.H0@3');
    putIn('L1.H0@4');
    takeOut('embed@3>L0.mlp@3');
    expect(address.encodeSpec(useStore.getState().spec)).toContain('zpos=1');
    setByPosition(false);
    expect(hand()).toEqual({ include: ['L1.H0'], exclude: ['embed>L0.mlp'] });
  });

  it('what is taken out is no longer put in, and the other way round', () => {
    putIn('L1.H0');
    expect(hand()).toEqual({ include: ['L1.H0'], exclude: [] });
    takeOut('L1.H0');
    expect(hand()).toEqual({ include: [], exclude: ['L1.H0'] });
    takeAllOut(['L1.H0', 'embed>L0.mlp']);
    expect(hand().exclude).toEqual(['L1.H0', 'embed>L0.mlp']);
    putIn('L1.H0');
    leaveAlone('embed>L0.mlp');
    expect(hand()).toEqual({ include: ['L1.H0'], exclude: [] });
    expect(address.encodeSpec(useStore.getState().spec)).toContain('zin=L1.H0');
    expect(CIRCUIT.include).toEqual([]);
  });
});
