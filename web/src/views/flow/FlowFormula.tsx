/** How the numbers of the flow graph are computed, with their values on this run. */
import { Formula, type FormulaLine } from '../../shared/parts/Formula';
import {
  hasReadings,
  type Flow as Graph,
  type FlowLink,
  type FlowNode,
} from '../../draw/flow/data';
import { effectOn, linkEnds, targetName } from '../../draw/flow/text';
import { signed } from '../../draw/format';

export function FlowFormula({ graph }: { graph: Graph }) {
  return <Formula title="How the flow graph is computed" lines={formulas(graph)} />;
}

function formulas(graph: Graph): FormulaLine[] {
  const { baseline } = graph;
  const target = targetName(graph);
  const head = strongest(baseline.nodes, 'head');
  const memory = widest(baseline.links, 'memory');
  const neuron = widest(baseline.links, 'neuron');
  const rated = head?.readings[0]?.target;
  const on = graph.target.of_token ? `the logit of ${target}` : effectOn(graph)[0];
  const box: FormulaLine[] = [
    {
      name: 'a box',
      formula: 'p = softmax( W_U · norm_final(vector) )',
      ...(head && rated
        ? {
            value: `${rated.probability.toPrecision(4)} for ${target}, rank ${rated.rank}: ${head.title}`,
          }
        : {}),
      note: 'Every vector is read as if it were the last state of the model. Its most likely token is the box’s label, the rank of the target its colour.',
    },
  ];
  return [
    ...(hasReadings(graph) ? box : []),
    {
      name: 'what a head writes',
      formula: 'head_h = ( Σ_pos a_pos · v_pos ) W_O[h]',
      note: 'a: attention from this position; v: the head’s values. Post-norms and multipliers of the model are included.',
    },
    {
      name: 'query and key',
      formula: 'query_h = W_K,hᵀ q_h,  key = W_Q,hᵀ k',
      note: 'What the head asks for, and what a position answers to, both as states of the stream. Where positions are rotated, the key after rotation is the one that the score is made of.',
    },
    {
      name: 'into a head',
      formula: 'a_pos · ‖v_pos W_O[h]‖',
      ...valueOf(memory, graph),
      note: 'Attention alone says where a head looks, times the value what it takes.',
    },
    {
      name: 'neurons and rows of W_O',
      formula: 'm_i · v_i,  z_i · W_O[i]',
      ...valueOf(neuron, graph),
      note: 'Shown are the largest and the most negative of m_i ‖v_i‖. A negative one takes from the tokens of its vector: they have a minus sign.',
    },
    {
      name: 'latents',
      formula: 'a_i · d_i,  a = encode(x),  x = Σ a_i d_i + bias + error',
      note: 'd_i: the decoder’s row, as the position’s normalisation scales it. Shown are the largest of a_i ‖d_i‖; the error is what the autoencoder does not explain.',
    },
    {
      name: 'share of what is added',
      formula: '⟨write, added⟩ / ‖added‖²',
      note: 'All parts of a branch add up to 1. A part that works against the others has a negative share.',
    },
    {
      name: 'direct effect',
      formula: hasReadings(graph)
        ? '(write · s) W_U[target],  s = scale of the final norm'
        : 'write · g,  g = how the head reads the stream for the label',
      ...(head?.attributed === null || head?.attributed === undefined
        ? {}
        : { value: `${signed(head.attributed, 4)} on ${on}: ${head.title}` }),
      note: 'What is written goes straight to the output, with every norm as it is. Cut it to see what the model really does without it.',
    },
  ];
}

function strongest(nodes: readonly FlowNode[], kind: FlowNode['kind']): FlowNode | undefined {
  const norm = (node: FlowNode) => node.readings[0]?.norm ?? 0;
  return nodes.filter((node) => node.kind === kind).toSorted((a, b) => norm(b) - norm(a))[0];
}

function widest(links: readonly FlowLink[], kind: FlowLink['kind']): FlowLink | undefined {
  return links.filter((link) => link.kind === kind).toSorted((a, b) => b.width - a.width)[0];
}

function valueOf(link: FlowLink | undefined, graph: Graph): { value?: string } {
  if (!link || link.norm === null || link.norm === undefined) return {};
  return { value: `${link.norm.toFixed(3)}: ${linkEnds(link, graph.baseline)}` };
}
