/** Any state of the flow graph, for tests of the address. */
import fc from 'fast-check';
import { CHOICES, COLOUR_BYS, FLOW, GROUPS, PALETTES, TARGET_MODES, type Flow } from './flowState';

const few = fc.nat({ max: 99 });
const shown = fc.nat({ max: 999 });

const node = fc.oneof(
  fc
    .tuple(few, fc.constantFrom('resid_pre', 'qkv', 'z', 'mlp_out', 'heads.rest', 'mlp_in_bias'))
    .map(([layer, name]) => `L${layer}.${name}`),
  fc.tuple(few, few).map(([layer, head]) => `L${layer}.H${head}`),
  fc.tuple(few, few, few).map(([layer, head, at]) => `L${layer}.H${head}.value@${at}`),
  fc.tuple(few, shown).map(([layer, row]) => `L${layer}.z${row}`),
  fc.tuple(few, shown).map(([layer, neuron]) => `L${layer}.N${neuron}.key`),
);

/** A node or a link. */
export const flowName = fc.oneof(
  node,
  fc.tuple(node, node).map(([from, to]) => `${from}>${to}`),
);

export const flow: fc.Arbitrary<Flow> = fc
  .record({
    layers: fc.option(
      fc
        .uniqueArray(few, { minLength: 1, maxLength: 8 })
        .map((layers) => layers.toSorted((a, b) => a - b)),
    ),
    choice: fc.constantFrom(...CHOICES),
    n_heads: shown,
    values_per_head: fc.integer({ min: 1, max: 999 }),
    top_neurons: shown,
    bottom_neurons: shown,
    threshold: fc.nat({ max: 5000 }).map((thousandths) => thousandths / 1000),
    include: fc.uniqueArray(flowName, { maxLength: 5 }),
    rest: fc.boolean(),
    latents: fc.boolean(),
    target_mode: fc.constantFrom(...TARGET_MODES),
    merge_neurons: fc.boolean(),
    merge_values: fc.boolean(),
    k: fc.integer({ min: 1, max: 99 }),
    attn_bias: fc.boolean(),
    query_factor: fc.nat({ max: 5000 }).map((thousandths) => thousandths / 1000),
    hidden: fc.subarray([...GROUPS]),
    colour: fc.constantFrom(...COLOUR_BYS),
    palette: fc.constantFrom(...PALETTES),
    focus: fc.option(flowName),
  })
  .map((some) => ({ ...FLOW, ...some }));
