import { describe, expect, it } from 'vitest';
import example from './example.json';
import { fitCamera, pan, toDrawing, toScreen, zoomAt } from './camera';
import { graphData, grouped, groupId, pruned, type GraphData, type GraphJson } from './data';
import { hitAt, neighbour, nextEdge, pointOf } from './hit';
import { layOut } from './layout';
import { unpacked } from './mount';
import { paintGraph, paintPointed } from './paint';
import { graphSvg } from './svg';
import { alphaOf, sizeOf, styleOf, widthOf } from './style';
import { graphCard, graphTable, sentence, shownWords } from './text';

const GRAPH = graphData(example.graph as unknown as GraphJson);
const ROOM = { width: 900, height: 500 };
const LAYOUT = layOut(GRAPH, ROOM);
const STYLE = styleOf((name) => name, 'light');
const NONE: ReadonlySet<string> = new Set();

describe('an attribution graph', () => {
  it.each(example.pruned)('is pruned as Python prunes it: %j', ({ kept, nodes, edges }) => {
    const fewer = pruned(GRAPH, kept);
    expect(fewer.nodes.map(({ id }) => id)).toEqual(nodes);
    expect(fewer.edges.map(({ source, target }) => [source, target])).toEqual(edges);
  });

  it.each(example.grouped)('is grouped as Python groups it: %j', ({ groups, edges }) => {
    const names = new Map(groups.map(({ name }) => [groupId(name), name]));
    const own = (id: string) => names.get(id) ?? id;
    const found = grouped(GRAPH, groups);
    expect(
      found.edges.map(({ source, target, weight, reached }) => [
        own(source),
        own(target),
        weight,
        reached,
      ]),
    ).toEqual(edges);
    const members = groups.flatMap(({ nodes }) => nodes);
    expect(found.nodes).toHaveLength(GRAPH.nodes.length - members.length + groups.length);
  });

  it('keeps of a group what is shown, and no group of nothing', () => {
    const fewer = pruned(GRAPH, { nodes: 0.65, edges: null });
    const groups = [
      { name: 'a', nodes: ['L0.F3@1', 'L1.F5@2'] },
      { name: 'b', nodes: ['L1.mlp@1'] },
    ];
    const found = grouped(fewer, groups);
    expect(found.nodeOf.get('group:a')?.members).toEqual(['L0.F3@1']);
    expect(found.nodeOf.has('group:b')).toBe(false);
    expect(grouped(fewer, [])).toBe(fewer);
  });
});

describe('a page', () => {
  it('has the ends of edges as numbers of nodes', () => {
    const { nodes, edges } = example.graph;
    const at = (name: string) => nodes.findIndex((node) => node.name === name);
    const packed = edges.map(
      ({ source, target, weight, reached }) => [at(source), at(target), weight, reached] as const,
    );
    expect(unpacked({ ...example.graph, edges: packed } as never).edges).toEqual(edges);
  });
});

describe('its layout', () => {
  it('has a column for each token and a row for each layer, tokens below', () => {
    for (const { node, x, y } of LAYOUT.places.values()) {
      const [column, row] = [LAYOUT.columns[node.position]!, LAYOUT.rows[node.layer + 1]!];
      expect(y).toBeGreaterThan(row.start);
      expect(y).toBeLessThan(row.end);
      if (node.kind === 'logit') continue;
      expect(x).toBeGreaterThan(column.start);
      expect(x).toBeLessThan(column.end);
    }
    expect(LAYOUT.rows[0]!.start).toBeGreaterThan(LAYOUT.rows[3]!.start);
    const flipped = layOut(GRAPH, ROOM, true);
    expect(flipped.rows[0]!.start).toBe(0);
    expect(flipped.places.get('embed@0')!.y).toBeLessThan(flipped.places.get('logit:40@2')!.y);
  });

  it('fills its room, and no two nodes lie on each other', () => {
    expect(LAYOUT.width).toBeCloseTo(ROOM.width - 40, 0);
    for (const graph of [GRAPH, many(40, 26, 2000)]) {
      const places = [...layOut(graph, ROOM).places.values()];
      expect(places).toHaveLength(graph.nodes.length);
      const taken = new Set(places.map(({ x, y }) => `${Math.round(x / 6)}:${Math.round(y / 6)}`));
      expect(taken.size).toBe(places.length);
    }
  });

  it('ends edges at their nodes', () => {
    for (const { edge, x0, y0, x1, y1 } of LAYOUT.curves) {
      const [from, to] = [LAYOUT.places.get(edge.source)!, LAYOUT.places.get(edge.target)!];
      expect([x0, x1]).toEqual([from.x, to.x]);
      expect(from.y - y0).toBeCloseTo(from.radius, 6);
      expect(y1 - to.y).toBeCloseTo(to.radius, 6);
    }
    expect(LAYOUT.curves.at(-1)!.edge.id).toBe('L1.F5@2>logit:40@2');
  });
});

describe('its camera', () => {
  it('shows all, and keeps what the pointer is on under it', () => {
    const large = layOut(many(40, 26, 2000), ROOM);
    const camera = fitCamera(large, ROOM);
    const corner = toScreen(camera, { x: large.width, y: large.height });
    expect(corner.x).toBeLessThanOrEqual(ROOM.width + 1);
    expect(corner.y).toBeLessThanOrEqual(ROOM.height - 24 + 1);
    const at = { x: 300, y: 200 };
    const closer = zoomAt(camera, 2, at, large, ROOM);
    expect(toDrawing(closer, at).x).toBeCloseTo(toDrawing(camera, at).x, 6);
    expect(closer.zoom).toBeCloseTo(2 * camera.zoom, 6);
    const away = pan(closer, -1e6, 0, large, ROOM);
    expect(away.x + large.width * away.zoom).toBeGreaterThanOrEqual(ROOM.width / 4 - 1);
  });
});

describe('pointer and keys', () => {
  const camera = fitCamera(LAYOUT, ROOM);
  const drawn = { data: GRAPH, layout: LAYOUT, camera, chosen: null };

  it('meet nodes, edges along their curves, and at a chosen node its own alone', () => {
    for (const place of LAYOUT.places.values())
      expect(hitAt(drawn, toScreen(camera, place))).toBe(place.node.id);
    const curve = LAYOUT.curves.find(({ edge }) => edge.id === 'L1.mlp@1>logit:40@2')!;
    const at = toScreen(camera, pointOf(curve, 0.5));
    expect(hitAt(drawn, { x: at.x + 2, y: at.y })).toBe(curve.edge.id);
    expect(hitAt({ ...drawn, chosen: 'embed@2' }, at)).toBeNull();
    expect(hitAt({ ...drawn, chosen: 'L1.mlp@1' }, at)).toBe(curve.edge.id);
    expect(hitAt(drawn, { x: 60, y: 60 })).toBeNull();
  });

  it('go along the largest edge, along a layer, from edge to edge', () => {
    const go = (id: string | null, to: 'up' | 'down' | 'left' | 'right') =>
      neighbour(drawn, id, to);
    expect(go(null, 'up')).toBe('logit:40@2');
    expect(go('logit:40@2', 'down')).toBe('L1.F5@2');
    expect(go('L1.F5@2', 'down')).toBe('L0.F3@1');
    expect(go('L0.F3@1', 'up')).toBe('L1.F5@2');
    expect(go('L0.F3@1', 'right')).toBe('L0.F3@2');
    expect(go('embed@1', 'left')).toBe('embed@0');
    expect(go('embed@0', 'left')).toBeNull();
    const flipped = { data: GRAPH, layout: layOut(GRAPH, ROOM, true) };
    expect(neighbour(flipped, 'L1.F5@2', 'up')).toBe('L0.F3@1');
    expect(nextEdge(GRAPH, 'L1.F5@2')).toBe('L0.F3@1>L1.F5@2');
    expect(nextEdge(GRAPH, 'L0.F3@1>L1.F5@2')).toBe('L0.F3@2>L1.F5@2');
    expect(nextEdge(GRAPH, 'embed@0')).toBe('embed@0>L1.F5@2');
  });
});

describe('its words', () => {
  it('are a sentence, a card and a table', () => {
    expect(sentence(GRAPH, 'L1.F5@2')).toBe(
      'L1.F5@2 “verbs (not supported)”, a latent of the transcoder of layer 1, at position 2 ␣is, activation 1.50, influence 0.600, bias +0.125, 3 edges in, 1 out',
    );
    expect(sentence(GRAPH, 'L0.F3@1>L1.F5@2')).toBe('L0.F3@1 to L1.F5@2: −2.00');
    const { title, note, sides } = graphCard(GRAPH, 'L0.F3@1', '');
    expect([title, note]).toEqual([
      '␣city',
      'L0.F3@1: a latent of the transcoder of layer 0, at position 1 Tokyo',
    ]);
    expect(sides.map(({ facts }) => facts).slice(1)).toEqual([
      [['embed@1 Tokyo', '+1.50']],
      [
        ['L1.F5@2 verbs (not supported)', '−2.00'],
        ['logit:41@2 ␣<a> & b', '+0.750'],
      ],
    ]);
    expect(graphTable(GRAPH)[2]).toEqual([
      'L0.F3@1',
      '␣city',
      'L1.F5@2',
      'verbs (not supported)',
      -2,
      0.5,
    ]);
    const fewer = pruned(GRAPH, { nodes: null, edges: 0.5 });
    expect(shownWords(fewer, GRAPH)).toBe('10 nodes and 2 of 9 edges');
  });
});

describe('what is drawn', () => {
  it('is an SVG with a path for each edge by sign and size, and a shape for each kind', () => {
    const { svg } = graphSvg({
      data: GRAPH,
      heading: 'a <b>',
      note: '',
      token: (name) => name,
      theme: 'light',
    });
    const paths = svg.match(/<path [^>]*fill="none"[^>]*>/g) ?? [];
    expect(paths).toHaveLength(9);
    expect(paths.filter((path) => path.includes('--negative'))).toHaveLength(2);
    const widest = paths.at(-1)!;
    expect(widest).toContain(`stroke-width="${widthOf(1)}"`);
    expect(widest).toContain(`opacity="${alphaOf(1, 9)}"`);
    expect(svg.match(/<circle /g)).toHaveLength(3);
    expect(svg).toContain('&#60;b&#62;');
    expect(svg).toContain('␣&#60;a&#62; &#38; b');
  });

  it('is on the canvas every edge and node, and over it those of the chosen one', () => {
    const [base, above] = [recorder(), recorder()];
    const camera = fitCamera(LAYOUT, ROOM);
    const shown = { data: GRAPH, layout: LAYOUT, chosen: 'L1.F5@2', marked: NONE };
    paintGraph(base.context, shown, camera, ROOM, STYLE);
    expect(base.count('bezierCurveTo')).toBe(9);
    expect(base.count('arc')).toBe(3);
    const drawn = base.lines.map((ends) => ends.map(Math.round).join());
    for (const { x0, y0, x1, y1 } of LAYOUT.curves) {
      const [from, to] = [toScreen(camera, { x: x0, y: y0 }), toScreen(camera, { x: x1, y: y1 })];
      expect(drawn).toContain([from.x, from.y, to.x, to.y].map(Math.round).join());
    }
    expect(base.count('rect')).toBe(5);
    expect(base.strokes.filter(({ colour }) => colour === '--negative')).not.toHaveLength(0);
    paintPointed(above.context, shown, null, camera, ROOM, STYLE);
    expect(above.count('bezierCurveTo')).toBe(4);
    const bold = above.strokes.find(({ width }) => width === widthOf(1));
    expect(bold?.colour).toBe('--positive');
    expect(above.texts).toEqual(expect.arrayContaining(['L0', 'L1', 'logits', 'Tokyo', '␣is']));
  });

  it('has a width for what is far below the largest of all', () => {
    const { edges } = example.graph;
    const huge = Array.from({ length: 400 }, () => ({ ...edges[8]!, weight: 0.01 }));
    const graph = {
      ...example.graph,
      edges: [{ ...edges[0]!, weight: 4000 }, ...edges.slice(1), ...huge],
    };
    const found = graphData(graph as unknown as GraphJson);
    expect(found.largest).toBe(1.5);
    expect(sizeOf(found, found.edges[0]!)).toBe(1);
    expect(sizeOf(found, found.edges[7]!)).toBeCloseTo(Math.sqrt(0.25 / 1.5), 9);
  });

  it('is fainter the more there is of it, but for the largest', () => {
    expect(alphaOf(0, 20_000)).toBeLessThan(alphaOf(0, 100) / 5);
    expect(alphaOf(1, 20_000)).toBe(alphaOf(1, 100));
  });

  it('draws thousands of edges in a few strokes, weak ones first', () => {
    const graph = many(12, 26, 600);
    const camera = fitCamera(layOut(graph, ROOM), ROOM);
    const base = recorder();
    const layout = layOut(graph, ROOM);
    paintGraph(
      base.context,
      { data: graph, layout, chosen: null, marked: NONE },
      camera,
      ROOM,
      STYLE,
    );
    expect(base.count('bezierCurveTo')).toBe(graph.edges.length);
    const lots = base.strokes.filter(({ colour }) => /positive|negative/.test(colour));
    expect(lots.length).toBeLessThanOrEqual(16);
    const widths = lots.map(({ width }) => width);
    expect(widths).toEqual(widths.toSorted((one, two) => one - two));
  });
});

/** A graph of any size: each node reads three that stand below. */
function many(positions: number, layers: number, latents: number): GraphData {
  const token = (at: number) => ({ id: at, text: `t${at}`, label: `t${at}`, special: false });
  const node = (name: string, kind: string, layer: number | null, position: number) => ({
    ...{ name, kind, layer, position, index: 1, label: '', value: 1, bias: 0 },
    ...{ influence: 1 / (1 + position), reached: 0.5, probability: null },
  });
  const nodes = [
    ...Array.from({ length: positions }, (_, at) => node(`embed@${at}`, 'embed', null, at)),
    ...Array.from({ length: latents }, (_, at) =>
      node(`L${at % layers}.F${at}@${at % positions}`, 'latent', at % layers, at % positions),
    ),
    node(`logit:1@${positions - 1}`, 'logit', null, positions - 1),
  ];
  const edges = nodes.slice(positions).flatMap(({ name }, at) =>
    [1, 7, 11].map((step) => ({
      source: nodes[Math.max(0, at + positions - step * layers)]!.name,
      target: name,
      weight: ((at % 9) - 4.5) / (1 + at),
      reached: 0.5,
    })),
  );
  const graph = {
    ...example.graph,
    tokens: Array.from({ length: positions }, (_, at) => token(at)),
  };
  return graphData({ ...graph, n_layers: layers, nodes, edges } as unknown as GraphJson);
}

/** A canvas that remembers what was drawn on it. */
function recorder() {
  const calls: string[] = [];
  const strokes: Array<{ colour: string; width: number }> = [];
  const texts: string[] = [];
  const lines: number[][] = [];
  let start: number[] = [];
  const state = { strokeStyle: '', lineWidth: 1 };
  const context = new Proxy(state as unknown as CanvasRenderingContext2D, {
    get: (target, name: string) => {
      if (name in target) return (target as unknown as Record<string, unknown>)[name];
      return (...told: unknown[]) => {
        calls.push(name);
        if (name === 'stroke') strokes.push({ colour: state.strokeStyle, width: state.lineWidth });
        if (name === 'moveTo') start = told as number[];
        if (name === 'bezierCurveTo') lines.push([...start, ...(told.slice(4) as number[])]);
        if (name === 'fillText') texts.push(String(told[0]));
        return name === 'measureText' ? { width: 6 * String(told[0]).length } : undefined;
      };
    },
    set: (target, name: string, value) => {
      (target as unknown as Record<string, unknown>)[name] = value;
      return true;
    },
  });
  const count = (name: string) => calls.filter((one) => one === name).length;
  return { context, strokes, texts, lines, count };
}
