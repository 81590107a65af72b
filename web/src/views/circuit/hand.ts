/** Edges and nodes put into the circuit, and taken out of it, by hand. */
import { withoutPosition } from '../../draw/circuit/data';
import { notify, useStore } from '../../shared/state/store';
import { isCircuitName, setCircuit } from './circuitState';

const without = (names: readonly string[], name: string) => names.filter((one) => one !== name);

/** Whatever keeps it. */
export function takeOut(name: string): void {
  const { include, exclude } = useStore.getState().spec.circuit;
  if (exclude.includes(name)) return;
  setCircuit({ include: without(include, name), exclude: [...exclude, name] });
  notify(`${name} is out: the circuit is measured without it.`, {
    label: 'Undo',
    run: () => leaveAlone(name),
  });
}

export function putIn(name: string): void {
  const { include, exclude } = useStore.getState().spec.circuit;
  setCircuit({
    include: include.includes(name) ? include : [...include, name],
    exclude: without(exclude, name),
    chosen: name,
  });
}

/** It is in or out by its effect alone again. */
export function leaveAlone(name: string): void {
  const { include, exclude } = useStore.getState().spec.circuit;
  setCircuit({ include: without(include, name), exclude: without(exclude, name) });
}

export function takeAllOut(names: readonly string[]): void {
  const { include, exclude } = useStore.getState().spec.circuit;
  setCircuit({
    include: include.filter((name) => !names.includes(name)),
    exclude: [...new Set([...exclude, ...names])],
  });
}

/** Edges of each position, or over all: what was put in by hand stands for all positions then. */
export function setByPosition(by_position: boolean): void {
  const { include, exclude } = useStore.getState().spec.circuit;
  const plain = (names: readonly string[]) =>
    by_position ? [...names] : [...new Set(names.map(withoutPosition))];
  setCircuit({
    by_position,
    include: plain(include),
    exclude: plain(exclude),
    chosen: null,
    measured: false,
  });
}

/** What is typed, as a name; a string that is none of them is what is wrong. */
export function readName(typed: string): { name: string } | string {
  const name = typed
    .trim()
    .replace(/\s*(?:->|→|>)\s*/, '>')
    .replace(/(^|>)l(\d+)/gi, '$1L$2')
    .replace(/\.h(\d+)/gi, '.H$1');
  return isCircuitName(name)
    ? { name }
    : 'Write an edge like L8.H1>L11.H3.q or embed>L0.mlp, or a node like L9.H1.';
}
