/**
 * The drawings as one module: for pages that stand alone, which carry it, and for notebooks.
 *
 * A page has an element `#unembed-drawing` to draw in and its data as JSON in `#unembed-data`. A notebook
 * calls `render` with a model of anywidget.
 */
import { mountAttention, type AttentionOptions } from './attention/mount';
import type { AttentionJson } from './attention/json';
import type { CircuitJson } from './circuit/data';
import { mountCircuit, type CircuitOptions } from './circuit/mount';
import { mountFlow, type FlowOptions } from './flow/mount';
import type { FlowJson } from './flow/json';
import { mountGraph, type GraphOptions, type PackedGraph } from './graph/mount';
import { mountLens, type LensOptions } from './lens/mount';
import type { LensJson } from './lens/json';
import { readPlain, type Written } from './plainData';

export { mountAttention, mountCircuit, mountFlow, mountGraph, mountLens };

/** What Python writes: figures/drawing.py. */
export type Drawn =
  | { kind: 'lens'; options: LensOptions; result: Written }
  | { kind: 'flow'; options: FlowOptions; result: Written }
  | { kind: 'attention'; options: AttentionOptions; result: Written }
  | { kind: 'circuit'; options: CircuitOptions; result: Written }
  | { kind: 'graph'; options: GraphOptions; result: Written };

export function mount(element: HTMLElement, drawn: Drawn): () => void {
  const data = readPlain(drawn.result);
  switch (drawn.kind) {
    case 'lens':
      return mountLens(element, data as LensJson, drawn.options);
    case 'flow':
      return mountFlow(element, data as FlowJson, drawn.options);
    case 'attention':
      return mountAttention(element, data as AttentionJson, drawn.options);
    case 'circuit':
      return mountCircuit(element, data as CircuitJson, drawn.options);
    case 'graph':
      return mountGraph(element, data as PackedGraph, drawn.options);
  }
}

interface WidgetModel {
  get: (name: 'drawn') => string;
  on: (event: string, tell: () => void) => void;
  off: (event: string, tell: () => void) => void;
}

/** The contract of anywidget: draws into an element, and returns what takes that back. */
function render({ model, el }: { model: WidgetModel; el: HTMLElement }): () => void {
  let unmount = () => {};
  const draw = () => {
    unmount();
    unmount = mount(el, JSON.parse(model.get('drawn')) as Drawn);
  };
  draw();
  model.on('change:drawn', draw);
  return () => {
    model.off('change:drawn', draw);
    unmount();
  };
}

export default { render };

const [place, data] = ['drawing', 'data'].map((id) => document.getElementById(`unembed-${id}`));
if (place && data) mount(place, JSON.parse(data.textContent ?? '') as Drawn);
