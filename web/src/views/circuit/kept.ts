/** A kept circuit on the page: as it was, or where it was not kept here, its edges by hand. */
import { withoutPosition } from '../../draw/circuit/data';
import type { SavedCircuit } from '../../shared/api/workspace';
import { notify } from '../../shared/state/store';
import { setCircuit } from './circuitState';
import { readCircuit } from './files';

/** Null: it is open; else what is wrong. */
export function fromKept(kept: SavedCircuit): string | null {
  if (kept.spec !== '') {
    location.hash = kept.spec;
    return null;
  }
  const edges = readCircuit(JSON.stringify(kept.circuit));
  if (typeof edges === 'string') return edges;
  setCircuit({
    edges: 0,
    include: edges,
    exclude: [],
    measure: 0,
    chosen: null,
    measured: false,
    by_position: edges.some((name) => name !== withoutPosition(name)),
    ...(kept.corrupted === '' ? {} : { corrupted: kept.corrupted }),
  });
  notify(
    `The edges of “${kept.name}”, on the prompt as it stands. It was kept for: ${kept.prompt}`,
  );
  return null;
}
