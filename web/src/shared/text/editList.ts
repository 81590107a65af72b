/** A list of edits: what it says of a node, and what a switch or a cut makes of it. */
import { edit, type Edit } from './edits';

/** Edits that a switch makes: at most one of them stands for a node. */
const SWITCHES = ['zero', 'on', 'lmd_off', 'lmd_on'] as const;
export type Switch = (typeof SWITCHES)[number];

/** The edit that x adds: everywhere the node is zero. */
export function isPlainAblation(made: Edit, target: string): boolean {
  return isSwitch(made, target) && made.operation === 'zero';
}

/** One of the switches of a node, at every position. */
function isSwitch(made: Edit, target: string): boolean {
  return (
    made.target === target &&
    made.positions === null &&
    made.stage === 'post' &&
    SWITCHES.some((name) => name === made.operation)
  );
}

/** Which way a node is switched at every position; null where it is left as it is. */
export function switchOf(edits: readonly Edit[], target: string): Switch | null {
  const found = edits.findLast((made) => made.enabled && isSwitch(made, target));
  return found?.sign === 1 ? (found.operation as Switch) : null;
}

/** Switches a node: in place of how it was switched before; the same way again takes it back. */
export function switched(edits: readonly Edit[], target: string, operation: Switch): Edit[] {
  const at = edits.findIndex((made) => isSwitch(made, target));
  const before = edits[at];
  if (!before) return [...edits, edit(target, operation)];
  if (before.operation === operation && before.sign === 1 && before.enabled)
    return edits.toSpliced(at, 1);
  return edits.with(at, edit(target, operation));
}

/** What takes a node or link of the flow graph away, with the position at its end: "L14.H7@8". */
export interface Cut {
  operation: 'zero' | 'cut';
  target: string;
}

/** As an edit like others: "L14.H7" at 8. One pair of query and key, "L14.H7@8<3", names its own. */
export function cutEdit(cut: Cut): Edit {
  const found = /^(.+)@(\d+)$/.exec(cut.target);
  return found
    ? { ...edit(found[1] ?? '', cut.operation), positions: [Number(found[2])] }
    : edit(cut.target, cut.operation);
}

/** An edit in force that takes the node or link away, whoever made it; −1: none. */
export function cutAt(edits: readonly Edit[], cut: Cut, length: number): number {
  const wanted = cutEdit(cut);
  const position = wanted.positions?.[0];
  return edits.findIndex(
    (made) =>
      made.enabled &&
      made.stage === 'post' &&
      made.operation === wanted.operation &&
      made.target === wanted.target &&
      (made.positions === null ||
        made.positions.some((at) => (at < 0 ? length + at : at) === position)),
  );
}

/** Every edit that concerns a node, with its place in the tray. */
export function editsOf(
  edits: readonly Edit[],
  target: string,
): Array<{ made: Edit; index: number }> {
  return edits
    .map((made, index) => ({ made, index }))
    .filter(({ made }) => made.target.split('@')[0] === target);
}
