import { describe, expect, it } from 'vitest';
import { fileData } from '../api/nodeLabels';
import { fromWords, matching, scoreWords } from './nodeLabels';

const label = {
  node: 'L1.N5',
  text: 'Rivers and seas',
  source: 'model' as const,
  by: 'gpt at host',
  corpus: 'brown',
  made: '',
  supported: false,
  scores: [
    { kind: 'f1', score: 0.414, chance: 0.081 },
    { kind: 'detection', score: 0.75, chance: null },
  ],
};

describe('a label', () => {
  it('says where it is from, and how it stands against chance', () => {
    expect(fromWords(label)).toBe('written by gpt at host, from brown');
    expect(fromWords({ ...label, source: 'hand', by: '', corpus: '' })).toBe('by you');
    expect(scoreWords(label)).toBe('F1 0.41 (chance up to 0.08), detection 0.75, not supported');
    expect(scoreWords({ ...label, supported: null, scores: [] })).toBe('');
  });

  it('is found by parts of its words', () => {
    expect(matching([label], 'SEA riv')).toEqual([label]);
    expect(matching([label], 'sea lake')).toEqual([]);
    expect(matching([label], ' ')).toEqual([label]);
  });

  it('comes from JSON, and from lines of it', () => {
    expect(fileData('{"a": 1}')).toEqual({ a: 1 });
    expect(fileData('{"a": 1}\n{"a": 2}\n')).toEqual([{ a: 1 }, { a: 2 }]);
    expect(fileData('nothing of the kind')).toBe('nothing of the kind');
  });
});
