import { describe, expect, it } from 'vitest';
import { edit } from '../text/edits';
import { wireEdits } from './queries';

describe('a patch as it is sent', () => {
  it.each([
    { prompt: 'Das', positions: null },
    { prompt: 'Das', positions: [4], source: 'The house' },
    { prompt: 'It rains.', positions: null, pair: 'It is wet.' },
    { prompt: 'Das', positions: null, take: 'mean' as const },
    { prompt: 'Das', positions: null, take: 'drawn' as const, seed: 3 },
  ])('says all that the other run is given: %j', (source) => {
    const [sent] = wireEdits([{ ...edit('L1.mlp', 'patch'), source }]);
    expect(sent?.source).toEqual(source);
  });
});
