import { describe, expect, it } from 'vitest';
import { circuitData, dropOf, edgesAt } from './data';
import { hitAt, neighbour, nextEdge } from './hit';
import { layOut } from './layout';
import { pointOf } from './shapes';
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

const TOKENS = ['␣a', 'b', '␣Mary'].map((label, id) => ({
  id,
  text: label,
  label,
  special: false,
}));
const BY_TOKEN = circuitData({
  n_heads: [2, 2],
  edges: [
    { source: 'L0.H1@2', target: 'L1.H0.q@2', effect: -4, measured: null, within: null },
    { source: 'embed@0', target: 'L0.H1.k@0', effect: 1, measured: null, within: null },
    { source: 'L1.H0@2', target: 'logits@2', effect: 0.25, measured: null, within: null },
    { source: 'L0.H0@2', target: 'logits@2', effect: 0.2, measured: null, within: null },
  ],
  whole: 5,
  none: 1,
  objective: 'logit of a',
  by_position: true,
  tokens: TOKENS,
});

describe('a circuit by position', () => {
  const layout = layOut(BY_TOKEN, ROOM);
  const box = (id: string) => layout.boxes.get(id)!;

  it('stands over its tokens, layers from bottom to top', () => {
    expect([...layout.boxes.keys()].toSorted()).toEqual([...BY_TOKEN.nodes].toSorted());
    expect(layout.columns.map(({ name }) => name)).toEqual(['␣a', 'b', '␣Mary']);
    expect(box('L0.H1@0').x).toBeLessThan(layout.columns[1]!.x);
    expect(box('L0.H1@2').x).toBeGreaterThan(layout.columns[2]!.x);
    expect(box('embed@0').y).toBeGreaterThan(box('L0.H1@0').y);
    expect(box('L0.H1@2').y).toBe(box('L0.H1@0').y);
    expect(box('L0.H1@2').y).toBeGreaterThan(box('L1.H0@2').y);
    expect(box('L1.H0@2').y).toBeGreaterThan(box('logits@2').y);
    expect(layout.rows.map(({ name }) => name)).toEqual(['embed', 'L0', 'L1', 'logits']);
  });

  it('shows what a head carries from where it reads to where it writes', () => {
    expect(layout.within).toHaveLength(1);
    const [only] = layout.within;
    expect(only!.x0).toBe(box('L0.H1@0').x + box('L0.H1@0').width);
    expect(only!.x1).toBe(box('L0.H1@2').x);
  });

  it('is met by the pointer, and walked by keys: up along edges, to the sides within a layer', () => {
    for (const curve of layout.curves) {
      const { x, y } = pointOf(curve, 0.5);
      expect(hitAt(BY_TOKEN, layout, { x, y })).toBe(curve.edge.id);
    }
    expect(neighbour(BY_TOKEN, layout, null, 'down')).toBe('logits@2');
    expect(neighbour(BY_TOKEN, layout, 'logits@2', 'down')).toBe('L1.H0@2');
    expect(neighbour(BY_TOKEN, layout, 'embed@0', 'up')).toBe('L0.H1@0');
    expect(neighbour(BY_TOKEN, layout, 'L0.H1@0', 'right')).toBe('L0.H0@2');
    expect(neighbour(BY_TOKEN, layout, 'L0.H1@2', 'left')).toBe('L0.H0@2');
  });

  it('says where, and at which token', () => {
    const [first] = BY_TOKEN.edges;
    expect(edgeWords(first!)).toBe(
      'head 1 of layer 0 to the query of head 0 of layer 1 at position 2',
    );
    expect(circuitCard(BY_TOKEN, 'L0.H1@2', '').note).toBe(
      'head 1 of layer 0 at position 2, ␣Mary',
    );
    expect(circuitTable(BY_TOKEN)[0]?.[2]).toBe('token');
    expect(circuitTable(BY_TOKEN)[1]?.slice(0, 4)).toEqual(['L0.H1@2', 'L1.H0.q@2', '␣Mary', -4]);
    const { svg } = circuitSvg({ data: BY_TOKEN, heading: '', note: '', token: (name) => name });
    expect(svg.match(/<path /g)).toHaveLength(5);
    expect(svg).toContain('␣Mary');
  });
});

describe('labels of nodes', () => {
  const edges = CIRCUIT.edges;
  const labels = { 'L0.H1': 'looks at the <first> name', 'L1.H1': 'not in it' };
  const json = { n_heads: [2, 2], edges: [...edges], whole: 5, none: 1, objective: 'a', labels };
  const data = circuitData(json);

  it('stand below the boxes of the circuit, as long as there is room', () => {
    const layout = layOut(data, ROOM);
    const [only] = layout.labels;
    const box = layout.boxes.get('L0.H1')!;
    expect(layout.labels).toHaveLength(1);
    expect([only!.x, only!.y > box.y + box.height]).toEqual([box.x, true]);
    expect(labels['L0.H1'].startsWith(only!.text.replace('…', ''))).toBe(true);
    expect(LAYOUT.labels).toEqual([]);
    const both = { 'L0.H1': 'w'.repeat(99), 'L1.H1': 'x' };
    const side = [...edges, { ...edges[0]!, source: 'L0.H1', target: 'L1.H1.q' }];
    const tight = layOut(circuitData({ ...json, edges: side, labels: both }), ROOM);
    const gap = tight.boxes.get('L1.H1')!.x - tight.boxes.get('L0.H1')!.x;
    expect(tight.labels[0]!.text.length * 4.9).toBeLessThan(gap);
    const some = { ...json, by_position: true, tokens: TOKENS };
    const there = layOut(
      circuitData({ ...some, edges: [{ ...EDGES[1]!, source: 'L0.H1@2', target: 'logits@2' }] }),
      ROOM,
    );
    expect(there.labels.map(({ text }) => text)).toEqual(['looks at the <first> name']);
  });

  it('are said in full, in the table and in the picture', () => {
    expect(sentence(data, 'L0.H1')).toContain(labels['L0.H1']);
    expect(circuitCard(data, 'L0.H1', '').note).toContain(labels['L0.H1']);
    expect(circuitTable(data)[1]?.slice(2, 4)).toEqual([labels['L0.H1'], '']);
    const figure = { data, heading: '', note: '', token: (name: string) => name };
    expect(circuitSvg(figure).svg).toContain('looks at');
  });
});

type Box = NonNullable<ReturnType<typeof LAYOUT.boxes.get>>;
