/** Changes to what the flow graph shows, and the cuts that are made of it. */
import { cutAt, cutEdit, type Cut } from '../../shared/text/editList';
import { GROUPS, shownLayers, type Flow, type Group } from './flowState';
import { addEdit, change, notify, removeEdit, useSpec, useStore } from '../../shared/state/store';

/** What the graph on screen offers to the keyboard of the whole page. */
export const flowPort: { cutFocus: (() => void) | null; depth: number } = {
  cutFocus: null,
  depth: 0,
};

export function useFlowSpec(): Flow {
  return useSpec().flow;
}

export function setFlow(patch: Partial<Flow>, how: 'push' | 'replace' = 'push'): void {
  change({ flow: { ...useStore.getState().spec.flow, ...patch } }, how);
}

/** Shows or hides a group of nodes. */
export function toggleGroup(group: Group): void {
  const { hidden } = useStore.getState().spec.flow;
  const next = hidden.includes(group)
    ? hidden.filter((name) => name !== group)
    : [...hidden, group];
  setFlow({ hidden: GROUPS.filter((name) => next.includes(name)) });
}

/** All layers of the graph up or down, within the model. */
export function shiftLayers(step: number): void {
  const { layers } = useStore.getState().spec.flow;
  const { depth } = flowPort;
  if (depth === 0) return;
  const moved = shownLayers(layers, depth).map((layer) => layer + step);
  if (moved.every((layer) => layer >= 0 && layer < depth)) setFlow({ layers: moved, focus: null });
}

/** Cuts a node or link, or takes that back. */
export function toggleCut(id: string, cut: Cut): void {
  const { spec, positions } = useStore.getState();
  const at = cutAt(spec.edits, cut, positions);
  if (at >= 0) return removeEdit(at);
  addEdit(cutEdit(cut));
  notify(`${id} is cut.`);
}

/** Goes to the graph, with a node or link of it in the middle. */
export function showInFlow(name: string, layer: number, position: number | null): void {
  const { flow } = useStore.getState().spec;
  const layers = flow.layers?.includes(layer) ? flow.layers : [layer];
  const there = position === null ? {} : { position };
  change({ view: 'flow', ...there, flow: { ...flow, layers, focus: name } });
}
