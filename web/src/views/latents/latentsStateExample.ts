/** Any state of the view of autoencoders, for tests of the address. */
import fc from 'fast-check';
import { ACTIVATIONS, KINDS, MOST, SITES, SOURCES, type LatentsState } from './latentsState';

const text = fc.string({ unit: 'binary' }).filter((value) => value.isWellFormed());

export const latents: fc.Arbitrary<LatentsState> = fc.record({
  kind: fc.constantFrom(...KINDS),
  layer: fc.option(fc.nat({ max: 9999 })),
  site: fc.constantFrom(...SITES),
  latents: fc.integer({ min: 1, max: MOST.latents }),
  k: fc.integer({ min: 1, max: MOST.latents }),
  activation: fc.constantFrom(...ACTIVATIONS),
  skip: fc.boolean(),
  tokens: fc.integer({ min: 1, max: MOST.tokens }),
  uses: fc.integer({ min: 1, max: MOST.uses }),
  source: fc.constantFrom(...SOURCES),
  corpus: text,
  name: text,
  shown: text,
});
