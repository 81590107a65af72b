/** Any question to the vector index. */
import fc from 'fast-check';
import {
  AMONG,
  ASKS,
  COMBINES,
  LIKES,
  MATCHES,
  METHODS,
  PROJECTIONS,
  RANKINGS,
  SHOWS,
  SIDES,
  type Explore,
} from '../../shared/text/explore';

const text = fc.string({ unit: 'binary' }).filter((value) => value.isWellFormed());
const count = fc.nat({ max: 9999 });

export const explore: fc.Arbitrary<Explore> = fc.record({
  ask: fc.constantFrom(...ASKS),
  projection: fc.constantFrom(...PROJECTIONS),
  among: fc.constantFrom(...AMONG),
  words: text,
  match: fc.constantFrom(...MATCHES),
  combine: fc.constantFrom(...COMBINES),
  side: fc.constantFrom(...SIDES),
  ranking: fc.constantFrom(...RANKINGS),
  layers: fc.option(
    fc.tuple(count, count).map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b)]),
  ),
  offset: fc.nat({ max: 99_999_999 }),
  token: text,
  like: fc.constantFrom(...LIKES),
  node: fc.option(fc.tuple(count, count).map(([layer, neuron]) => `L${layer}.N${neuron}`)),
  plus: text,
  minus: text,
  site: fc.option(count.map((layer) => `L${layer}.resid_post`)),
  layer: count,
  first: count,
  clustering: fc.option(
    fc.record({
      method: fc.constantFrom(...METHODS),
      n: fc.option(fc.integer({ min: 1, max: 9_999_999 })),
      seed: fc.nat({ max: 999_999_999 }),
    }),
  ),
  cluster: fc.option(count),
  draw: count,
  show: fc.constantFrom(...SHOWS),
});
