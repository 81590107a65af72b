/** The drawing on canvases that only take notes: what is drawn when, and what is written where. */
import { describe, expect, it } from 'vitest';
import { decodeFlow } from './data';
import { fitCamera, zoomAt, type Camera } from './camera';
import type { FlowStyle } from './labels';
import { sceneOf, type FlowDrawing, type Scene } from './scene';
import { FlowStage } from './stage';
import { flowExample, VOCABULARY } from './example';

const NONE: ReadonlySet<string> = new Set();
const LETTER = 6.6;
const size = { width: 1240, height: 560 };

interface Note {
  call: string;
  values: unknown[];
}

/** A canvas whose context notes each call; text is as wide as its letters. */
function noting() {
  const notes: Note[] = [];
  const known: Record<string, unknown> = {
    measureText: (text: string) => ({ width: LETTER * [...text].length }),
  };
  const context = new Proxy(known, {
    get: (target, name: string) =>
      target[name] ?? ((...values: unknown[]) => void notes.push({ call: name, values })),
  });
  const canvas = { width: 0, height: 0, getContext: () => context };
  return { notes, canvas: canvas as unknown as HTMLCanvasElement };
}

const style = new Proxy({} as FlowStyle, { get: (_, name: string) => name });

function staged(change: Partial<FlowDrawing> = {}, layers = [14]) {
  const { baseline } = decodeFlow(flowExample({ layers }));
  const scene = sceneOf({
    flow: baseline,
    other: null,
    mode: 'baseline',
    colourBy: 'rank',
    palette: 'unembed',
    theme: 'light',
    hidden: NONE,
    focus: null,
    cuts: NONE,
    vocabSize: VOCABULARY,
    ...change,
  });
  const [lower, upper, bitmap] = [noting(), noting(), noting()];
  const stage = new FlowStage(lower.canvas, upper.canvas, () => bitmap.canvas);
  stage.setScene(scene, style);
  return { stage, scene, lower, upper, bitmap };
}

const calls = (notes: Note[], call: string) => notes.filter((note) => note.call === call);
const texts = (notes: Note[]) =>
  calls(notes, 'fillText').map(({ values }) => String(values[0]).replaceAll(/[\u2068\u2069]/g, ''));

function drawAt(zoom: (camera: Camera, scene: Scene) => Camera, layers = [14]): string[] {
  const { stage, scene, bitmap } = staged({}, layers);
  stage.draw(zoom(fitCamera(scene.places, size), scene), size, 1, false);
  return texts(bitmap.notes);
}

describe('while it moves', () => {
  it('only moves the picture of a moment ago', () => {
    const { stage, scene, lower, bitmap } = staged();
    const camera = fitCamera(scene.places, size);
    stage.draw(camera, size, 1, false);
    const drawn = bitmap.notes.length;
    stage.draw({ ...camera, x: camera.x - 100 }, size, 1, true);
    expect(bitmap.notes.length).toBe(drawn);
    const [before, after] = calls(lower.notes, 'drawImage').map(({ values }) => values as number[]);
    expect((after?.[1] ?? 0) - (before?.[1] ?? 0)).toBeCloseTo(-100, 9);
  });

  it('stretches it about the point that stays', () => {
    const { stage, scene, lower } = staged();
    const camera = fitCamera(scene.places, size);
    stage.draw(camera, size, 1, false);
    stage.draw(zoomAt(camera, 1.25, { x: 0, y: 300 }, 0.1), size, 1, true);
    const [before, after] = calls(lower.notes, 'drawImage').map(({ values }) => values as number[]);
    expect((after?.[3] ?? 0) / (before?.[3] ?? 1)).toBeCloseTo(1.25, 9);
  });

  it('draws anew where the picture does not reach, and at rest', () => {
    const { stage, scene, bitmap } = staged({}, [13, 14, 15]);
    const near = zoomAt(fitCamera(scene.places, size), 3, { x: 0, y: 300 }, 0.1);
    stage.draw(near, size, 1, false);
    const first = bitmap.notes.length;
    stage.draw({ ...near, x: near.x - 2000 }, size, 1, true);
    const second = bitmap.notes.length;
    expect(second).toBeGreaterThan(first);
    stage.draw({ ...near, x: near.x - 2000 }, size, 1, false);
    expect(bitmap.notes.length).toBeGreaterThan(second);
  });
});

describe('what is written', () => {
  it('is the token of each box that has room', () => {
    const { scene } = staged();
    const written = drawAt((camera) => camera);
    expect(written).toContain('H7');
    expect(written.length).toBeGreaterThan(scene.side.nodes.length);
  });

  it('is nothing in boxes too small to be read, but the streams keep theirs', () => {
    const written = drawAt((camera) => camera, [11, 12, 13, 14]);
    const streams = 9;
    expect(written.filter((text) => !/^H\d+$/.test(text)).length).toBeLessThan(6 * streams);
    expect(written.length).toBeGreaterThanOrEqual(streams);
  });

  it('is every token with its probability, in boxes that are large', () => {
    const written = drawAt((camera) => zoomAt(camera, 4, { x: 0, y: 60 }, 0.1));
    expect(written).toContain('0.500');
    expect(written.some((text) => text.startsWith('target '))).toBe(true);
  });

  it('is only what the window shows', () => {
    const all = drawAt((camera) => camera).length;
    expect(drawAt((camera) => zoomAt(camera, 4, { x: 0, y: 60 }, 0.1)).length).toBeLessThan(all);
  });
});

describe('the header', () => {
  it('names layers, branches and columns that are in sight', () => {
    const { stage, scene, upper } = staged({}, [13, 14]);
    stage.drawOverlay(fitCamera(scene.places, size), size, 1, { hover: null, cursor: null });
    const written = texts(upper.notes);
    for (const name of ['Layer 13', 'Layer 14', 'attention', 'feed-forward', 'stream'])
      expect(written).toContain(name);
  });

  it('writes no column over another', () => {
    const { stage, scene, upper } = staged({}, [11, 12, 13, 14]);
    stage.drawOverlay(fitCamera(scene.places, size), size, 1, { hover: null, cursor: null });
    const columns = calls(upper.notes, 'fillText').filter(({ values }) => values[2] === 27.5);
    const spans = columns.map(({ values: [name, x] }) => [
      Number(x),
      Number(x) + LETTER * String(name).length,
    ]);
    for (const [at, [left = 0]] of spans.entries())
      if (at > 0) expect(left).toBeGreaterThanOrEqual(spans[at - 1]?.[1] ?? 0);
    expect(columns.length).toBeGreaterThan(8);
  });
});

it('marks a cut by more than its colour', () => {
  const { stage, scene, bitmap } = staged({ cuts: new Set(['L14.H7', 'L14.H6>L14.z']) });
  stage.draw(fitCamera(scene.places, size), size, 1, false);
  expect(calls(bitmap.notes, 'arc')).toHaveLength(2);
});
