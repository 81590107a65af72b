/** Any state of the patching grid, for tests of the address. */
import fc from 'fast-check';
import { QUESTIONS } from '../../questions.gen';
import { SETS } from '../../shared/text/pairs';
import { PATCHING, SHOWS, type Patching } from './patchingState';

const { site, into } = QUESTIONS.patch;

export const patching: fc.Arbitrary<Patching> = fc
  .record({
    corrupted: fc.string({ unit: 'binary' }).filter((value) => value.isWellFormed()),
    site: fc.constantFrom(...site.choices),
    into: fc.constantFrom(...into.choices),
    set: fc.constantFrom(...SETS),
    own: fc.constantFrom('', '[["a","b"," c",5]]'),
    show: fc.constantFrom(...SHOWS),
    cell: fc.option(fc.tuple(fc.nat({ max: 99 }), fc.nat({ max: 9999 }))),
  })
  .map((some) => ({ ...PATCHING, ...some }));
