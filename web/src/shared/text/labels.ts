/** Labels that a model gives to texts or tokens, as the target of a page: `label("good")`. */
import type { ModelInfo } from '../api/queries';

/** Where a page's target is read: the label of a text as a whole is at no position. */
export function positionRead(
  model: Pick<ModelInfo, 'labels_of'> | null,
  position: number | null,
): number | null {
  return model?.labels_of === 'text' && position !== null ? -1 : position;
}

/** The objective that is a label's score; one of several with the same name is told by its number. */
export function labelTarget(labels: readonly string[], at: number): string {
  const name = labels[at] ?? '';
  const alone = labels.filter((other) => other === name).length === 1;
  return `label(${alone ? JSON.stringify(name) : at})`;
}

/** Which label's score a target is; null of any other objective, and of none. */
export function labelAt(target: string, labels: readonly string[]): number | null {
  const written = /^\s*label\((.*)\)\s*$/s.exec(target)?.[1];
  const said = written === undefined ? null : read(written);
  const at = typeof said === 'string' ? labels.indexOf(said) : said;
  return typeof at === 'number' && labels[at] !== undefined ? at : null;
}

function read(written: string): unknown {
  try {
    return JSON.parse(written);
  } catch {
    return null;
  }
}
