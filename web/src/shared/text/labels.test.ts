import { describe, expect, it } from 'vitest';
import { labelAt, labelTarget, positionRead } from './labels';

const LABELS = ['bad', 'so "so"', 'good', 'bad'];

describe('a label as the target', () => {
  it('is its name, or its number where two are called the same', () => {
    const targets = LABELS.map((_, at) => labelTarget(LABELS, at));
    expect(targets).toEqual([
      'label(0)',
      String.raw`label("so \"so\"")`,
      'label("good")',
      'label(3)',
    ]);
    expect(targets.map((target) => labelAt(target, LABELS))).toEqual([0, 1, 2, 3]);
  });

  it.each(['', 'good', 'label(good)', 'label("fair")', 'label(4)', 'label(0.5)', 'logit("good")'])(
    'is not found in %j',
    (target) => expect(labelAt(target, LABELS)).toBe(null),
  );
});

describe('where the target of a page is read', () => {
  it('is the chosen position, but of the label of a text as a whole', () => {
    expect(positionRead({ labels_of: 'text' }, 3)).toBe(-1);
    expect(positionRead({ labels_of: 'text' }, null)).toBe(null);
    expect(positionRead({ labels_of: 'token' }, 3)).toBe(3);
    expect(positionRead({ labels_of: null }, 3)).toBe(3);
    expect(positionRead(null, 3)).toBe(3);
  });
});
