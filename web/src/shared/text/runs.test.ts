import { describe, expect, it } from 'vitest';
import { edit } from './edits';
import { fileName, nameFor, readRuns, summaryOf } from './runs';
import { DEFAULTS } from '../../app/address';

const RUN = {
  unembed: 1,
  id: 'ab12',
  name: 'Tokyo',
  note: '',
  saved: '2026-01-31T12:00:00+00:00',
  spec: 'v=1&p=Hi',
  summary: 'Hi',
  model: 'tiny',
  fingerprint: 'f',
};

describe('a saved run', () => {
  it('is summed up by its prompt and the edits that are in force', () => {
    const spec = {
      ...DEFAULTS,
      prompt: 'The capital of Japan is',
      edits: [edit('L9.H2'), { ...edit('L1.H1'), enabled: false }, edit('L2.N7', 'scale', 2)],
    };
    expect(summaryOf(spec)).toBe('The capital of Japan is · L9.H2 off, L2.N7 × 2');
    expect(nameFor(spec)).toBe('The capital of Japan is, L9.H2, L2.N7');
    expect(summaryOf({ ...spec, edits: Array(6).fill(edit('L9.H2')) })).toContain('2 more');
  });

  it('gets a file name that every system takes', () => {
    expect(fileName('a/b: “Tōkyō”?')).toBe('a-b-To-kyo.unembed.json');
    expect(fileName('///')).toBe('run.unembed.json');
  });
});

describe('a file of runs', () => {
  it('holds one, or a list', () => {
    expect(readRuns(JSON.stringify(RUN))).toEqual([RUN]);
    expect(readRuns(JSON.stringify([RUN, RUN]))).toHaveLength(2);
  });

  it.each(['', 'no json', '[]', '3', 'null', '{}', '{"unembed":2,"spec":""}', '{"unembed":1}'])(
    '%j is refused with a sentence',
    (text) => expect(readRuns(text)).toMatch(/\.$/),
  );
});
