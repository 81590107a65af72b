import { describe, expect, it } from 'vitest';
import { circuitData, dropOf, edgesAt } from './data';
import { hitAt, neighbour, nextEdge } from './hit';
import { layOut, pointOf } from './layout';
import { circuitSvg } from './svg';
import { circuitCard, circuitTable, edgeWords, nodeWords, sentence } from './text';

const EDGES = [
  { source: 'L0.H1', target: 'L1.H0.q', effect: -4, measured: -3, within: -2 },
  { source: 'embed', target: 'L0.mlp', effect: 1, measured: null, within: null },
  { source: 'L0.mlp', target: 'logits', effect: 0.25, measured: null, within: null },
];
const CIRCUIT = circuitData({
  n_heads: [2, 2],
  edges: EDGES,
  whole: 5,
  none: 1,
  objective: 'logit of a',
});
const ROOM = { width: 800, height: 400 };
const LAYOUT = layOut(CIRCUIT, ROOM);

describe('a circuit', () => {
  it('has its nodes, and the edges of each, largest first', () => {
    expect([...CIRCUIT.nodes].toSorted()).toEqual(
      ['L0.H1', 'L0.mlp', 'L1.H0', 'embed', 'logits'].toSorted(),
    );
    expect(edgesAt(CIRCUIT, 'L1.H0', 'into').map(({ id }) => id)).toEqual(['L0.H1>L1.H0.q']);
    expect([dropOf(CIRCUIT, EDGES[0]!), dropOf(CIRCUIT, EDGES[1]!)]).toEqual([-0.5, null]);
  });

  it('stands where it stands whatever its edges are', () => {
    const none = layOut({ ...CIRCUIT, edges: [], nodes: new Set() }, ROOM);
    expect([...none.boxes]).toEqual([...LAYOUT.boxes]);
    const [embed, head, mlp, logits] = ['embed', 'L0.H1', 'L0.mlp', 'logits'].map((id) =>
      LAYOUT.boxes.get(id)!,
    ) as [Box, Box, Box, Box];
    expect(embed.x + embed.width).toBeLessThan(head.x);
    expect(head.x + head.width).toBeGreaterThan(mlp.x - mlp.width);
    expect(mlp.y).toBeGreaterThan(head.y);
    expect(logits.x + logits.width).toBeLessThan(LAYOUT.width);
    // Of a large model there is no room: it is as large as it must be.
    const large = layOut({ ...CIRCUIT, heads: Array.from({ length: 40 }, () => 32) }, ROOM);
    expect(large.width).toBeGreaterThan(ROOM.width);
  });

  it('is met by the pointer: boxes over edges, edges along their curve', () => {
    const box = LAYOUT.boxes.get('L0.H1')!;
    expect(hitAt(CIRCUIT, LAYOUT, { x: box.x + 2, y: box.y + 2 })).toBe('L0.H1');
    for (const curve of LAYOUT.curves) {
      const { x, y } = pointOf(curve, 0.5);
      expect(hitAt(CIRCUIT, LAYOUT, { x, y: y + 2 })).toBe(curve.edge.id);
    }
    // A node that is not in it is nothing.
    const other = LAYOUT.boxes.get('L1.H1')!;
    expect(hitAt(CIRCUIT, LAYOUT, { x: other.x + 2, y: other.y + 2 })).toBeNull();
  });

  it('is walked by keys: along the largest edge, within a layer, from edge to edge', () => {
    expect(neighbour(CIRCUIT, LAYOUT, null, 'left')).toBe('logits');
    expect(neighbour(CIRCUIT, LAYOUT, 'logits', 'left')).toBe('L0.mlp');
    expect(neighbour(CIRCUIT, LAYOUT, 'L0.mlp', 'up')).toBe('L0.H1');
    expect(neighbour(CIRCUIT, LAYOUT, 'L0.H1', 'right')).toBe('L1.H0');
    expect(nextEdge(CIRCUIT, 'L1.H0')).toBe('L0.H1>L1.H0.q');
    expect(nextEdge(CIRCUIT, 'embed')).toBe('embed>L0.mlp');
  });

  it('is said in words, as a card, and as a table', () => {
    expect(edgeWords(EDGES[0]!)).toBe('head 1 of layer 0 to the query of head 0 of layer 1');
    expect(nodeWords('L3.mlp')).toBe('the feed-forward of layer 3');
    expect(sentence(CIRCUIT, 'L0.H1>L1.H0.q')).toBe(
      'head 1 of layer 0 to the query of head 0 of layer 1: effect −4.000, measured −3.000, in the circuit −2.000, −50 % of faithfulness',
    );
    expect(sentence(CIRCUIT, 'L0.mlp')).toBe('the feed-forward of layer 0: 1 edge in, 1 out');
    expect(circuitCard(CIRCUIT, 'L0.mlp', '').sides.map(({ facts }) => facts)).toEqual([
      [['embed', '+1.00']],
      [['logits', '+0.25']],
    ]);
    expect(circuitTable(CIRCUIT)[1]).toEqual(['L0.H1', 'L1.H0.q', -4, -3, -2, -0.5]);
  });

  it('is a well-formed SVG with a path for each edge', () => {
    const { svg } = circuitSvg({
      data: CIRCUIT,
      heading: 'a <b> & "c"',
      note: '',
      token: (name) => name,
    });
    expect(svg.match(/<path /g)).toHaveLength(3);
    expect(svg).toContain('&#60;b&#62;');
    expect(svg).toContain('--negative');
  });
});

type Box = NonNullable<ReturnType<typeof LAYOUT.boxes.get>>;
