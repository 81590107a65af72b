/** Any state of the attention view, for tests of the address. */
import fc from 'fast-check';
import { ATTENTION, LAYOUTS, ORDERS, SCORED, SIDES, type AttentionState } from './attentionState';
import { parsePicks, type HeadPick } from './picks';

const few = fc.nat({ max: 99 });
const positions = fc
  .uniqueArray(fc.nat({ max: 999 }), { minLength: 1, maxLength: 20 })
  .map((list) => list.toSorted((a, b) => a - b));
/** Of a layer, of a decoder to its source, of an encoder. */
const FORMS: ReadonlyArray<(layer: number, head: number | null) => string> = [
  (layer, head) => (head === null ? `L${layer}` : `L${layer}.H${head}`),
  (layer, head) => (head === null ? `L${layer}.X` : `L${layer}.X${head}`),
  (layer, head) => (head === null ? `E${layer}` : `E${layer}.H${head}`),
];
const pick = fc
  .record({
    form: fc.constantFrom(...FORMS),
    layer: few,
    head: fc.option(few),
    weight: fc.integer({ min: -200, max: 200 }).map((percent) => percent / 100 + 0),
  })
  .map(({ form, layer, head, weight }) => `${form(layer, head)}*${weight}`);
/** Each head once, in order, as reading has them. */
const picks: fc.Arbitrary<readonly HeadPick[]> = fc
  .array(pick, { maxLength: 6 })
  .map((names) => parsePicks(names.join(',')) ?? []);

export const attention: fc.Arbitrary<AttentionState> = fc
  .record({
    picks,
    queries: fc.oneof(fc.constantFrom('all' as const, 'position' as const), positions),
    against: fc.string({ unit: 'binary' }).filter((value) => value.isWellFormed()),
    layout: fc.constantFrom(...LAYOUTS),
    versus: fc.constantFrom(...SIDES),
    renormalise: fc.boolean(),
    order: fc.constantFrom(...ORDERS),
    score: fc.constantFrom('', 'induction - 0.5*first'),
    scored: fc.constantFrom(...SCORED),
    find: fc.string({ unit: 'binary' }).filter((value) => value.isWellFormed()),
    focus: fc.option(
      fc.record({
        side: fc.constantFrom('query' as const, 'key' as const),
        position: fc.nat({ max: 9999 }),
      }),
    ),
    measure: fc.constantFrom('attention' as const, 'moved' as const, 'target' as const),
    between: fc.constantFrom('all' as const, 'within' as const, 'across' as const),
    combine: fc.constantFrom('mean' as const, 'sum' as const),
    special: fc.constantFrom('shown' as const, 'hidden' as const, 'renormalised' as const),
    mass: fc.nat({ max: 100 }).map((percent) => percent / 100),
  })
  .map((some) => ({ ...ATTENTION, ...some }));
