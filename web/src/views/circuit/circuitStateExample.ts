/** Any state of the circuit, for tests of the address. */
import fc from 'fast-check';
import { QUESTIONS } from '../../questions.gen';
import { SETS } from '../../shared/text/pairs';
import { CIRCUIT, type Circuit } from './circuitState';

const { ablation, estimator } = QUESTIONS.circuit;
const few = fc.nat({ max: 99 });
const node = fc.oneof(
  fc.constantFrom('embed', 'logits'),
  fc.tuple(few, few).map(([layer, head]) => `L${layer}.H${head}`),
  few.map((layer) => `L${layer}.mlp`),
);
const name = fc.oneof(
  node,
  fc.tuple(node, few, few).map(([from, layer, head]) => `${from}>L${layer}.H${head}.k`),
  fc.tuple(node, few).map(([from, at]) => `${from}@${at}>L5.mlp@${at}`),
  fc.tuple(node, few).map(([one, at]) => `${one}@${at}`),
);

export const circuit: fc.Arbitrary<Circuit> = fc
  .record({
    corrupted: fc.string({ unit: 'binary' }).filter((value) => value.isWellFormed()),
    set: fc.constantFrom(...SETS),
    own: fc.constantFrom('', '[["a","b"," c",5]]'),
    held_out: fc.nat({ max: 99 }),
    ablation: fc.constantFrom(...ablation.choices),
    estimator: fc.constantFrom(...estimator.choices),
    seed: fc.nat({ max: 99 }),
    steps: fc.integer({ min: 1, max: 100 }),
    by_position: fc.boolean(),
    edges: fc.nat({ max: 9999 }),
    include: fc.uniqueArray(name, { maxLength: 5 }),
    exclude: fc.uniqueArray(name, { maxLength: 5 }),
    measure: fc.nat({ max: 90 }),
    chosen: fc.option(name),
    measured: fc.boolean(),
  })
  .map((some) => ({ ...CIRCUIT, ...some }));
