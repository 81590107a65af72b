/** Any state of the graph, for tests of the address. */
import fc from 'fast-check';
import { GRAPH, misnamed, type Graph } from './graphState';

const few = fc.nat({ max: 99 });
const node = fc.oneof(
  few.map((at) => `embed@${at}`),
  fc.tuple(few, few, few).map(([layer, index, at]) => `L${layer}.F${index}@${at}`),
  fc.tuple(few, few).map(([layer, at]) => `L${layer}.F_error@${at}`),
  fc.tuple(few, few).map(([layer, at]) => `L${layer}.mlp@${at}`),
  fc.tuple(few, few).map(([token, at]) => `logit:${token}@${at}`),
);
const name = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 20 })
  .filter((one) => one.isWellFormed() && misnamed(one, []) === null);
const groups = fc
  .uniqueArray(node, { maxLength: 6 })
  .chain((nodes) =>
    fc
      .uniqueArray(name, { minLength: 2, maxLength: 2 })
      .map((names) =>
        names
          .map((one, at) => ({ name: one, nodes: nodes.filter((_, place) => place % 2 === at) }))
          .filter((group) => group.nodes.length > 0),
      ),
  );
const part = fc.integer({ min: 0, max: 100 }).map((percent) => percent / 100);
const end = fc.oneof(
  node,
  name.map((one) => `group:${one}`),
);

export const graph: fc.Arbitrary<Graph> = fc
  .record({
    answers: fc.integer({ min: 1, max: 50 }),
    mass: part,
    latents: fc.integer({ min: 1, max: 9999 }),
    node_threshold: part,
    edge_threshold: part,
    labels: fc.boolean(),
    nodes: part,
    edges: part,
    chosen: fc.option(
      fc.oneof(
        end,
        fc.tuple(end, end).map((ends) => ends.join('>')),
      ),
    ),
    measured: fc.boolean(),
    groups,
    apart: fc.boolean(),
  })
  .map((some) => ({ ...GRAPH, ...some }));
