/** Any state of the attribution, for tests of the address. */
import fc from 'fast-check';
import { QUESTIONS } from '../../questions.gen';
import {
  ATTRIBUTION,
  GROUPINGS,
  NODE_KINDS,
  ORDERS,
  SIGNS,
  SORTS,
  type Attribution,
} from './attributionState';

const { frozen, estimator, against, qk } = QUESTIONS.attribute;
const numbers = fc.option(
  fc
    .uniqueArray(fc.nat({ max: 999 }), { minLength: 1, maxLength: 8 })
    .map((list) => list.toSorted((a, b) => a - b)),
);

export const attribution: fc.Arbitrary<Attribution> = fc
  .record({
    frozen: fc.constantFrom(...frozen.choices),
    estimator: fc.constantFrom(...estimator.choices),
    against: fc.constantFrom(...against.choices),
    qk: fc.constantFrom(...qk.choices),
    seed: fc.nat({ max: 99 }),
    steps: fc.integer({ min: 1, max: 100 }),
    pairs: fc.boolean(),
    sort_by: fc.constantFrom(...SORTS),
    top_k: fc.integer({ min: 1, max: 1000 }),
    verify: fc.integer({ min: 0, max: 1000 }),
    verify_all: fc.boolean(),
    sample: fc.nat({ max: 500 }),
    beside: fc.constantFrom('', 'The capital of the Republic of France'),
    align: fc.subarray(['3=4', '5=0', '12=11']),
    references: fc.constantFrom('', 'The capital of France\nof Italy'),
    kinds: fc.option(fc.subarray([...NODE_KINDS], { minLength: 1 })),
    layers: numbers,
    positions: numbers,
    grouping: fc.constantFrom(...GROUPINGS),
    sign: fc.constantFrom(...SIGNS),
    find: fc.string({ unit: 'binary' }).filter((value) => value.isWellFormed()),
    order: fc.constantFrom(...ORDERS),
    trace: fc.subarray(['L15.H1@8<3:v', 'L12.N512@4', 'embed@3:down', 'L9.H0@3<1:v:down']),
    measured: fc.boolean(),
    open: fc.option(fc.constantFrom('embed@3', 'L9.H6@14<3', 'L12.N512@4', 'L3.mlp_bias@8')),
  })
  .map((some) => ({ ...ATTRIBUTION, ...some }));
