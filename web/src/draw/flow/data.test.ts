/** The flow graph as data: what an answer says, what leads where, what lies under the pointer. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeFlow,
  isShown,
  neighboursOf,
  nodeSentence,
  pathsOf,
  type FlowLink,
  type FlowNode,
  type FlowSideData,
} from './data';
import {
  boxOnScreen,
  down,
  fitCamera,
  HEADER,
  pan,
  reveal,
  ribbonOnScreen,
  toDrawing,
  zoomAt,
  zoomStep,
} from './camera';
import { hitAt, neighbour } from './hit';
import { layOut } from './layout';
import { placeFlow } from './places';
import { heightAt } from './ribbon';
import { caption, changeOf, labelOf, ribbonsInOrder, sceneOf } from './scene';
import { flowExample, VOCABULARY } from './example';

const NONE: ReadonlySet<string> = new Set();
const flow = decodeFlow(flowExample({ layers: [13, 14] }));
const side = flow.baseline;
const places = placeFlow([side]);
const layout = layOut(places, side);
const size = { width: 1200, height: 560 };

describe('an answer', () => {
  it('names every edit that was measured, and how many were not', () => {
    const measured = { probability: 0.1, logit: 2, rank: 3 };
    const cut = {
      name: 'L14.H7',
      attributed: -1,
      measured,
      logit_change: -2,
      probability_change: 0,
      change: -2,
    };
    const baseline = { probability: 0.5, logit: 4, rank: 1 };
    const effects = { target: flow.target, baseline, value: 4, cuts: [cut], together: cut };
    const answer = { ...flowExample({}, 1), effects, measured: [3], left_out: 2 };
    expect(decodeFlow(answer).effects).toEqual({
      baseline,
      value: 4,
      edits: [{ ...cut, edit: 3 }],
      together: { ...cut, edit: null },
      leftOut: 2,
    });
    expect(decodeFlow(flowExample()).effects).toBeNull();
  });

  it('names the token of the prompt that a key comes from', () => {
    expect(side.nodeOf.get('L14.H7.key@1')?.token?.text).toBe(' capital');
    expect(side.nodeOf.get('L14.H7')?.token).toBeNull();
  });

  it('gives each link at both of its ends', () => {
    for (const link of side.links) {
      expect(side.from.get(link.source)).toContain(link);
      expect(side.into.get(link.target)).toContain(link);
    }
  });
});

describe('paths', () => {
  /** Independently of the walk: by what can be reached in ever more steps. */
  function reached(start: string, next: (link: FlowLink) => [string, string]): Set<string> {
    const found = new Set([start]);
    for (let before = -1; before !== found.size;) {
      before = found.size;
      for (const link of side.links) {
        const [from, to] = next(link);
        if (found.has(from)) found.add(link.id).add(to);
      }
    }
    return found;
  }

  it('of a node are all that leads to it and all that it leads to', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: side.nodes.length - 1 }), (at) => {
        const id = side.nodes[at]?.id ?? '';
        const expected = new Set([
          ...reached(id, (link) => [link.target, link.source]),
          ...reached(id, (link) => [link.source, link.target]),
        ]);
        expect(pathsOf(side, id)).toEqual(expected);
      }),
      { numRuns: 40 },
    );
  });

  it('of a head leave the other heads out', () => {
    const paths = pathsOf(side, 'L14.H7');
    expect(paths).toContain('L14.H7.key@0');
    expect(paths).toContain('L14.resid_post');
    expect(paths).not.toContain('L14.H6');
    expect(paths).not.toContain('L14.resid_pre>L14.resid_mid');
  });

  it('of a link go through it', () => {
    const paths = pathsOf(side, 'L14.H7>L14.z');
    expect(paths).toContain('L14.H7>L14.z');
    expect(paths).toContain('L14.H7.query');
    expect(paths).not.toContain('L14.H6>L14.z');
  });

  it('of a name that is not there are none', () => {
    expect(pathsOf(side, 'L99.H7').size).toBe(0);
  });

  it('beside a node are its links and their other ends', () => {
    const beside = neighboursOf(side, 'L14.H7');
    expect([...beside].toSorted()).toEqual(
      [
        'L14.H7',
        'L14.H7.value@0',
        'L14.H7.value@0>L14.H7',
        'L14.H7.value@1',
        'L14.H7.value@1>L14.H7',
        'L14.H7>L14.z',
        'L14.z',
      ].toSorted(),
    );
  });
});

describe('hiding', () => {
  const shown = (hidden: string[]) => {
    const set = new Set(hidden);
    return {
      nodes: side.nodes.filter((node) => isShown(side, node, set)),
      links: side.links.filter((link) => isShown(side, link, set)),
    };
  };

  it('takes nodes with their links', () => {
    const { nodes, links } = shown(['neuron']);
    expect(nodes.some(({ kind }) => kind === 'neuron')).toBe(false);
    expect(links.some(({ id }) => /N\d+>/.test(id) || />L\d+\.N\d+$/.test(id))).toBe(false);
    expect(links.some(({ kind }) => kind === 'neuron_key')).toBe(true);
  });

  it('takes bands, which have no node of their own', () => {
    const { nodes, links } = shown(['residual_attn', 'residual_mlp']);
    expect(nodes).toHaveLength(side.nodes.length);
    expect(links.some(({ kind }) => kind.startsWith('residual'))).toBe(false);
  });

  it('leaves links that share a word with a kind of node to their nodes', () => {
    expect(shown(['head']).links.some(({ kind }) => kind === 'norm')).toBe(true);
    expect(shown(['norm']).links.some(({ kind }) => kind === 'norm')).toBe(true);
  });

  it('never shows what only keeps a place', () => {
    expect(shown([]).links.some(({ colour }) => colour === 'hidden')).toBe(false);
  });
});

describe('the camera', () => {
  const fitted = fitCamera(places, size);

  it('shows the whole width at first, and fills the height', () => {
    const left = Math.min(...[...layout.boxes.values()].map((box) => box.x));
    expect(left * fitted.zoom + fitted.x).toBeGreaterThanOrEqual(0);
    expect(places.width * fitted.zoom + fitted.x).toBeLessThanOrEqual(size.width);
    expect(fitted.y).toBeGreaterThanOrEqual(HEADER);
    expect(down(fitted)).toBeGreaterThan(fitted.zoom);
  });

  it('keeps what lies under the pointer there', () => {
    const at = fc.record({
      x: fc.double({ min: 0, max: 1200, noNaN: true }),
      y: fc.double({ min: 40, max: 560, noNaN: true }),
    });
    fc.assert(
      fc.property(at, fc.double({ min: 0.2, max: 6, noNaN: true }), (point, factor) => {
        const before = toDrawing(fitted, point);
        const after = toDrawing(zoomAt(fitted, factor, point, 0.05), point);
        expect(after.x).toBeCloseTo(before.x, 6);
        expect(after.y).toBeCloseTo(before.y, 6);
      }),
    );
  });

  it('zooms neither beyond reading nor away from everything', () => {
    let camera = fitted;
    for (let step = 0; step < 60; step++) camera = zoomStep(camera, 1, size, 0.1);
    expect(camera.zoom).toBeLessThanOrEqual(3);
    for (let step = 0; step < 60; step++) camera = zoomStep(camera, -1, size, 0.1);
    expect(camera.zoom).toBeCloseTo(0.1, 9);
  });

  it('never loses the graph', () => {
    const far = pan(fitted, 1e6, 1e6, places, size);
    expect(far.x).toBeLessThan(size.width);
    expect(far.y).toBeLessThan(size.height);
    const back = pan(fitted, -1e6, -1e6, places, size);
    expect(places.width * back.zoom + back.x).toBeGreaterThan(0);
    expect(places.height * down(back) + back.y).toBeGreaterThan(0);
  });

  it('brings a box into sight, and moves no further than that', () => {
    const near = zoomAt(fitted, 6, { x: 0, y: 300 }, 0.1);
    const box = layout.boxes.get('L14.resid_post');
    if (!box) throw new Error('no box');
    const shown = reveal(near, box, size);
    const seen = boxOnScreen(shown, box);
    expect(seen.x).toBeGreaterThanOrEqual(0);
    expect(seen.x + seen.width).toBeLessThanOrEqual(size.width);
    expect(reveal(shown, box, size)).toEqual(shown);
  });
});

describe('under the pointer', () => {
  const camera = fitCamera(places, size);
  const input = { side, layout, camera, hidden: NONE };
  const middleOf = (id: string) => {
    const box = layout.boxes.get(id);
    if (!box) throw new Error(id);
    const seen = boxOnScreen(camera, box);
    return { x: seen.x + seen.width / 2, y: seen.y + seen.height / 2 };
  };

  it('is each box in its middle', () => {
    for (const { id } of side.nodes) expect(hitAt(input, middleOf(id))).toBe(id);
  });

  it('is a ribbon half way', () => {
    for (const id of ['L13.resid_pre>L13.attn_in', 'L14.H3>L14.z', 'L13.resid_pre>L13.resid_mid']) {
      const ribbon = layout.ribbons.get(id);
      if (!ribbon) throw new Error(id);
      const seen = ribbonOnScreen(camera, ribbon);
      const at = { x: (seen.x0 + seen.x1) / 2, y: (seen.y0 + seen.y1) / 2 };
      expect(hitAt(input, at)).toBe(id);
    }
  });

  it('is nothing beside the graph, and nothing that is hidden', () => {
    expect(hitAt(input, { x: 2, y: 558 })).toBeNull();
    const hidden = new Set(['head']);
    expect(hitAt({ ...input, hidden }, middleOf('L14.H3'))).toBeNull();
  });

  it('follows the curve that is drawn', () => {
    const ribbon = { x0: 10, y0: 100, x1: 60, y1: 20 };
    for (let t = 0; t <= 1; t += 0.05) {
      const [a, b, c, d] = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t ** 3];
      const x = a * 10 + b * 35 + c * 35 + d * 60;
      const y = (a + b) * 100 + (c + d) * 20;
      expect(heightAt({ ...ribbon, thickness: 1, link: {} as FlowLink }, x)).toBeCloseTo(y, 3);
    }
    expect(heightAt({ ...ribbon, thickness: 1, link: {} as FlowLink }, 61)).toBeNull();
  });
});

describe('arrow keys', () => {
  const input = { side, layout, hidden: NONE };

  it('go along the widest link, into a branch rather than past it', () => {
    expect(neighbour(input, 'L14.attn_in', 'right')).toBe('L14.qkv');
    expect(neighbour(input, 'L13.resid_pre', 'right')).toBe('L13.attn_in');
    expect(neighbour(input, 'L14.resid_mid', 'left')).toBe('L14.attn_out');
    const heads = side.into.get('L14.z') ?? [];
    const widest = heads.toSorted((a, b) => b.width - a.width)[0];
    expect(neighbour(input, 'L14.z', 'left')).toBe(widest?.source);
  });

  it('go up and down a column, to its end', () => {
    expect(neighbour(input, 'L14.H3', 'down')).toBe('L14.H4');
    expect(neighbour(input, 'L14.H3', 'up')).toBe('L14.H2');
    expect(neighbour(input, 'L14.H0', 'up')).toBeNull();
  });

  it('step over what is hidden', () => {
    const hidden = new Set(['attn_bias']);
    const last = side.nodes.filter(({ kind, layer }) => kind === 'z_row' && layer === 14).at(-1);
    expect(neighbour({ ...input, hidden }, last?.id ?? '', 'down')).toBeNull();
  });

  it('reach every node from the first', () => {
    const found = new Set(['L13.resid_pre']);
    const open = [...found];
    for (let id = open.pop(); id !== undefined; id = open.pop())
      for (const direction of ['left', 'right', 'up', 'down'] as const) {
        const next = neighbour(input, id, direction);
        if (next !== null && !found.has(next)) open.push(next);
        if (next !== null) found.add(next);
      }
    expect(found.size).toBe(side.nodes.length);
  });
});

describe('words', () => {
  const node = (id: string) => side.nodeOf.get(id) as FlowNode;

  it('say what a node is', () => {
    expect(caption(node('L14.H7'))).toBe('H7');
    expect(caption(node('L14.H7.query'))).toBe('H7');
    expect(caption(node('L14.H7.value@1'))).toBe('1 ␣capital');
    expect(caption(node('L14.N137.key'))).toBe('N137');
    expect(caption(node('L14.z37'))).toBe('z37');
    expect(caption(node('L14.attn_out'))).toBe('');
  });

  it('read out a node', () => {
    const head = { ...node('L14.H7'), title: 'head 7 of layer 14: what it writes' };
    const own = head.readings[0];
    head.label = '␣Tokyo';
    head.readings = own ? [{ ...own, target: { probability: 0.62, rank: 1 } }] : [];
    expect(nodeSentence(head)).toBe(
      'head 7 of layer 14: what it writes. ␣Tokyo, probability of target 0.620, rank 1',
    );
  });

  it('say nothing of the tokens of a zero vector', () => {
    const head = node('L14.H7');
    const own = head.readings[0];
    const zero = { ...head, readings: own ? [{ ...own, norm: 0 }] : [] };
    expect(labelOf(zero)).toBe('');
    expect(nodeSentence(zero)).toContain('Nothing: its vector is zero');
  });
});

describe('a comparison', () => {
  const both = decodeFlow(flowExample({}, 0.4));
  const drawing = {
    flow: both.edited as FlowSideData,
    other: both.baseline,
    mode: 'difference' as const,
    colourBy: 'rank' as const,
    palette: 'unembed',
    theme: 'light' as const,
    hidden: NONE,
    focus: null,
    cuts: NONE,
    vocabSize: VOCABULARY,
  };

  it('has the outlines of the other side, and only then', () => {
    expect(sceneOf(drawing).ghost).not.toBeNull();
    expect(sceneOf({ ...drawing, mode: 'edited' }).ghost).toBeNull();
    expect(sceneOf({ ...drawing, mode: 'edited' }).places).toEqual(sceneOf(drawing).places);
  });

  it('tells how far the target has moved, where that is anything to speak of', () => {
    const scene = sceneOf(drawing);
    const before = both.baseline.nodeOf.get('L14.H1')?.readings[0]?.target?.probability ?? 0;
    const after = scene.side.nodeOf.get('L14.H1')?.readings[0]?.target?.probability ?? 0;
    const change = changeOf(scene, 'L14.H1');
    if (Math.abs(after - before) >= 0.005) expect(change?.by).toBeCloseTo(after - before, 12);
    else expect(change).toBeNull();
    expect(changeOf(scene, 'L14.attn_in')).toBeNull();
  });

  it('draws bands first and thin ribbons over thick ones', () => {
    const order = ribbonsInOrder(sceneOf(drawing));
    const bands = order.filter(({ link }) => link.kind.startsWith('residual'));
    expect(order.slice(0, bands.length)).toEqual(bands);
    const rest = order.slice(bands.length).map(({ thickness }) => thickness);
    expect(rest).toEqual(rest.toSorted((a, b) => b - a));
  });
});
