/** Any state of the corpus view, for tests of the address. */
import fc from 'fast-check';
import { QUESTIONS } from '../../questions.gen';
import { ASKS, LIMITS, OF, SHOWN, type CorpusState } from './corpusState';

const text = fc.string({ unit: 'binary' }).filter((value) => value.isWellFormed());
const label = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 20 })
  .filter((value) => value.isWellFormed());
const labels = fc.array(label, { maxLength: 3 });
const few = fc.nat({ max: 99 });

export const corpus: fc.Arbitrary<CorpusState> = fc.record({
  name: text,
  ask: fc.constantFrom(...ASKS),
  by: fc.constantFrom(...QUESTIONS.corpus.by.choices),
  weighting: fc.constantFrom(...QUESTIONS.corpus.weighting.choices),
  layer: fc.option(few),
  heads: fc.uniqueArray(few, { maxLength: 5 }).map((heads) => heads.toSorted((a, b) => a - b)),
  word: labels,
  lemma: labels,
  pos: labels,
  tag: labels,
  dep: labels,
  entity: labels,
  near: labels,
  file: labels,
  metadata: labels,
  reach: fc.integer({ min: 1, max: 4096 }),
  of: fc.constantFrom(...OF),
  limit: fc.constantFrom(...LIMITS),
  exact: fc.boolean(),
  sort: fc.constantFrom(...QUESTIONS.relations.sort.choices),
  relation: text,
  layers: fc.uniqueArray(few, { maxLength: 5 }).map((one) => one.toSorted((a, b) => a - b)),
  sentences: fc.integer({ min: 1, max: 100_000 }),
  least: fc.integer({ min: 1, max: 999_999 }),
  through: fc.boolean(),
  lit: fc.boolean(),
  offsets: fc
    .uniqueArray(fc.constantFrom(-3, -2, -1, 1, 2, 3), { maxLength: 4 })
    .map((one) => one.toSorted((a, b) => a - b)),
  column: fc.constantFrom(...SHOWN),
  order: fc.constantFrom('score', 'match', '-1', '2'),
  only: fc.uniqueArray(
    fc.constantFrom(
      'next.pos=VERB',
      'attended.offset=-3',
      'match.tag=.',
      'match.dep=',
      'next.tag=,',
    ),
  ),
  chosen: fc.option(fc.nat({ max: 999_999_999 })),
});
