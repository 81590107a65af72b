/** Places of the flow graph: nothing overlaps, sizes can be compared, places stay. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeFlow, sideOf, type FlowSideData } from './data';
import { layOut, type Box, type Layout } from './layout';
import { boxHeight, BOX_WIDTH, placeFlow } from './places';
import { BOX_HEIGHT } from './rows';
import { familyOf, isBand, LANE, scalesOf, thickness } from './scale';
import { flowExample, type Shape } from './example';

const shapes: Record<string, Partial<Shape>> = {
  'one layer': {},
  'three layers of 16 heads': { layers: [13, 14, 15], heads: 16 },
  'layers with a gap and the rest': { layers: [10, 14], rest: true, heads: 4 },
  'a parallel block': { parallel: true, rest: true },
  'merged keys and values': { merged: true, values: 1 },
  'a stream as wide as that of Gemma': { stream: 19_000 },
  'one head, no neurons': { heads: 1, neurons: 0, rows: 0 },
};

const baseline = (shape: Partial<Shape>): FlowSideData => decodeFlow(flowExample(shape)).baseline;

function drawn(side: FlowSideData): Layout {
  return layOut(placeFlow([side]), side);
}

function byColumn(layout: Layout): Box[][] {
  const columns = new Map<number, Box[]>();
  for (const box of layout.boxes.values())
    columns.set(box.node.column, [...(columns.get(box.node.column) ?? []), box]);
  return [...columns.values()].map((boxes) => boxes.toSorted((a, b) => a.y - b.y));
}

describe.each(Object.entries(shapes))('%s', (_, shape) => {
  const side = baseline(shape);
  const places = placeFlow([side]);
  const layout = layOut(places, side);

  it('has a box for every node and a ribbon for every link', () => {
    expect([...layout.boxes.keys()]).toEqual(side.nodes.map(({ id }) => id));
    expect([...layout.ribbons.keys()]).toEqual(side.links.map(({ id }) => id));
  });

  it('overlaps no two boxes of a column', () => {
    for (const boxes of byColumn(layout))
      for (const [at, box] of boxes.entries()) {
        const next = boxes[at + 1];
        if (next) expect(box.y + box.height).toBeLessThanOrEqual(next.y + 1e-9);
      }
  });

  it('runs from left to right: columns in order, each link to a later one', () => {
    const xs = places.columns.map(({ x }) => x);
    for (const [at, x] of xs.entries())
      if (at > 0) expect(x).toBeGreaterThanOrEqual((xs[at - 1] ?? 0) + BOX_WIDTH);
    for (const ribbon of layout.ribbons.values())
      if (ribbon.link.colour !== 'hidden') expect(ribbon.x1).toBeGreaterThan(ribbon.x0);
  });

  it('keeps bands above all boxes that they pass', () => {
    for (const ribbon of layout.ribbons.values()) {
      if (!isBand(ribbon.link)) continue;
      const bottom = Math.max(ribbon.y0, ribbon.y1) + ribbon.thickness / 2;
      for (const box of layout.boxes.values())
        if (box.x > ribbon.x0 && box.x + box.width < ribbon.x1)
          expect(box.y).toBeGreaterThan(bottom);
    }
  });

  it('draws bands level, and none above the drawing', () => {
    for (const ribbon of layout.ribbons.values())
      if (isBand(ribbon.link)) expect(ribbon.y0 - ribbon.thickness / 2).toBeCloseTo(0, 9);
  });

  it('lets links meet their box within its edges, one below the other', () => {
    for (const [links, end] of [
      [side.from, 'y0'],
      [side.into, 'y1'],
    ] as const)
      for (const [id, list] of links) {
        const box = layout.boxes.get(id);
        const ports = list
          .map(({ id: link }) => layout.ribbons.get(link))
          .filter((ribbon) => ribbon !== undefined)
          .toSorted((a, b) => a[end] - b[end]);
        for (const [at, port] of ports.entries()) {
          const top = port[end] - port.thickness / 2;
          expect(top).toBeGreaterThanOrEqual((box?.y ?? 0) - 1e-9);
          expect(top + port.thickness).toBeLessThanOrEqual(
            (box?.y ?? 0) + (box?.height ?? 0) + 1e-9,
          );
          const above = ports[at - 1];
          if (above) expect(top).toBeGreaterThanOrEqual(above[end] + above.thickness / 2 - 1e-9);
        }
      }
  });

  it('makes a box as high as the larger of what goes in and out, but at least a line', () => {
    for (const { node, height } of layout.boxes.values()) {
      const sum = (links: typeof side.into) =>
        (links.get(node.id) ?? []).reduce((total, link) => {
          const unit = places.scales[familyOf(link)];
          return total + Math.max(0.5, link.width * unit);
        }, 0);
      expect(height).toBeCloseTo(Math.max(BOX_HEIGHT, sum(side.into), sum(side.from)), 9);
    }
  });
});

describe('widths', () => {
  it('of one family are in one proportion, over all layers', () => {
    const side = baseline({ layers: [13, 14], stream: 19_000 });
    const scales = scalesOf([side]);
    const units = new Map<string, Set<string>>();
    for (const link of side.links) {
      const drawnAs = thickness(link, scales);
      if (drawnAs <= 0.5) continue;
      const seen = units.get(familyOf(link)) ?? new Set();
      units.set(familyOf(link), seen.add((drawnAs / link.width).toPrecision(9)));
    }
    expect(units.size).toBeGreaterThanOrEqual(4);
    for (const [family, seen] of units) expect([family, seen.size]).toEqual([family, 1]);
  });

  it('of the widest band are the lane, whatever the model calls large, or less where columns are full', () => {
    for (const stream of [0.5, 195, 19_000]) {
      const side = baseline({ stream });
      const widest = Math.max(
        ...side.links.filter(isBand).map((link) => thickness(link, scalesOf([side]))),
      );
      if (stream > 100) expect(widest).toBeCloseTo(LANE, 6);
      else expect(widest).toBeLessThan(LANE);
    }
  });

  it('of attention can be seen beside a stream of 19,000', () => {
    const side = baseline({ stream: 19_000 });
    const scales = scalesOf([side]);
    const scores = side.links.filter(({ kind }) => kind === 'attention');
    expect(Math.max(...scores.map((link) => thickness(link, scales)))).toBeGreaterThan(5);
  });
});

describe('rows', () => {
  it('keep a head’s keys beside its values, in the order of its attention', () => {
    const layout = drawn(baseline({ values: 3 }));
    const middle = (id: string) => {
      const box = layout.boxes.get(id);
      return (box?.y ?? Number.NaN) + (box?.height ?? 0) / 2;
    };
    for (let head = 0; head < 10; head++)
      for (let at = 0; at < 3; at++)
        expect(middle(`L14.H${head}.key@${at}`)).toBeCloseTo(middle(`L14.H${head}.value@${at}`), 9);
    expect(middle('L14.H3.key@1')).toBeGreaterThan(middle('L14.H3.key@0'));
    expect(middle('L14.H3.query')).toBeCloseTo(middle('L14.H3'), 9);
  });

  it('keep a neuron’s key beside the neuron', () => {
    const layout = drawn(baseline({}));
    for (const { node, y, height } of layout.boxes.values()) {
      if (node.kind !== 'neuron') continue;
      const key = layout.boxes.get(`${node.id}.key`);
      expect((key?.y ?? 0) + (key?.height ?? 0) / 2).toBeCloseTo(y + height / 2, 9);
    }
  });

  it('end with biases and with the rest', () => {
    const layout = drawn(baseline({ rest: true }));
    const last = (kind: string) =>
      byColumn(layout)
        .find((boxes) => boxes.some((box) => box.node.kind === kind))
        ?.at(-1)?.node;
    expect(last('head')?.id).toBe('L14.heads.rest');
    expect(last('z_row')?.kind).toBe('attn_bias');
    expect(last('neuron')?.kind).toBe('mlp_bias');
  });

  it('of parallel branches lie above each other', () => {
    const side = baseline({ parallel: true });
    const layout = drawn(side);
    const edges = (kinds: string[]) =>
      [...layout.boxes.values()]
        .filter((box) => kinds.includes(box.node.kind))
        .flatMap((box) => [box.y, box.y + box.height]);
    const attention = Math.max(...edges(['query', 'head', 'z', 'z_row', 'attn_bias', 'attn_out']));
    expect(Math.min(...edges(['mlp_in', 'neuron', 'neuron_key', 'mlp_out']))).toBeGreaterThan(
      attention,
    );
  });
});

describe('places', () => {
  const { baseline: before, edited } = decodeFlow(flowExample({}, 0.4));
  const after = edited as FlowSideData;

  it('are the same for both runs', () => {
    const places = placeFlow([before, after]);
    const [one, other] = [layOut(places, before), layOut(places, after)];
    for (const [id, box] of one.boxes) {
      const moved = other.boxes.get(id);
      expect(moved?.x).toBe(box.x);
      const slot = places.slots.get(id);
      if (slot?.align === 'top') expect(moved?.y).toBe(box.y);
      else
        expect((moved?.y ?? 0) + (moved?.height ?? 0) / 2).toBeCloseTo(box.y + box.height / 2, 9);
    }
  });

  it('leave room for the higher of two boxes', () => {
    const places = placeFlow([before, after]);
    for (const [id, { height }] of places.slots)
      expect(height).toBeCloseTo(
        Math.max(boxHeight(before, id, places.scales), boxHeight(after, id, places.scales)),
        9,
      );
  });

  it('move by what a person moved them, with their links', () => {
    const places = placeFlow([before]);
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: before.nodes.length - 1 }),
        fc.double({ min: -500, max: 500, noNaN: true }),
        fc.double({ min: -500, max: 500, noNaN: true }),
        (at, dx, dy) => {
          const id = before.nodes[at]?.id ?? '';
          const [still, moved] = [
            layOut(places, before),
            layOut(places, before, new Map([[id, { dx, dy }]])),
          ];
          const [from, to] = [still.boxes.get(id), moved.boxes.get(id)];
          expect(to?.x).toBeCloseTo((from?.x ?? 0) + dx, 6);
          expect(to?.y).toBeCloseTo((from?.y ?? 0) + dy, 6);
          for (const link of before.from.get(id) ?? [])
            expect(moved.ribbons.get(link.id)?.x0).toBeCloseTo((to?.x ?? 0) + BOX_WIDTH, 6);
          for (const [other, box] of moved.boxes)
            if (other !== id) expect(box).toEqual(still.boxes.get(other));
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('latents', () => {
  const latent = (node: FlowSideData['nodes'][number]) =>
    node.kind === 'neuron' ? { ...node, kind: 'latent' as const, site: 'L14.mlp_out' } : node;
  const plain = baseline({ layers: [14], merged: true });
  const side = sideOf({ ...plain, nodes: plain.nodes.map(latent) });

  it('of a branch stand where neurons would, and what they are added to in their middle', () => {
    const [before, after] = [drawn(plain), drawn(side)];
    const middle = (layout: Layout, id: string) => {
      const box = layout.boxes.get(id);
      return box ? box.y + box.height / 2 : Number.NaN;
    };
    for (const id of ['L14.mlp_in', 'L14.mlp_out'])
      expect(middle(after, id)).toBeCloseTo(middle(before, id));
  });
});
