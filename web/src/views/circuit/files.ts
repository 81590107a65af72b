/** A circuit as a file: ours, or in MIB's format, which knows the score of every edge. */
import { edgeId, withoutPosition } from '../../draw/circuit/data';
import { LIMITS } from '../../questions.gen';
import { isCircuitName } from './circuitState';
import type { CircuitAnswer } from './query';

/** "L3.H2.q" -> "a3.h2<q>", "embed" -> "input". */
export function mibName(name: string): string {
  if (name === 'embed') return 'input';
  const found = /^L(\d+)\.(?:H(\d+)(?:\.([qkv]))?|mlp)$/.exec(name);
  if (!found) return name;
  const [, layer, head, side] = found;
  if (head === undefined) return `m${layer}`;
  return `a${layer}.h${head}${side ? `<${side}>` : ''}`;
}

/** Back again; null: no name of MIB's. */
function ownName(name: string): string | null {
  if (name === 'input') return 'embed';
  if (name === 'logits') return name;
  const found = /^(?:m(\d+)|a(\d+)\.h(\d+)(?:<([qkv])>)?)$/.exec(name);
  if (!found) return null;
  const [, mlp, layer, head, side] = found;
  return mlp === undefined ? `L${layer}.H${head}${side ? `.${side}` : ''}` : `L${mlp}.mlp`;
}

export const WITHOUT_POSITIONS =
  'MIB’s format has no positions: scores are sums over positions, and an edge is in the graph where it is at any.';

/** `all`: every edge of the model, over all positions; `kept`: those of the circuit. */
export function toMib(
  all: CircuitAnswer,
  circuit: ReadonlySet<string>,
  model: { n_layers: number; d_model: number; parallel_blocks: boolean },
): unknown {
  const kept = new Set([...circuit].map(withoutPosition));
  const nodes = new Set(['input', 'logits']);
  for (const { source } of all.edges) nodes.add(mibName(source));
  const inside = new Set([...kept].flatMap((id) => id.split('>').map((end) => mibEnd(end))));
  return {
    cfg: {
      n_layers: model.n_layers,
      n_heads: Math.max(...all.n_heads),
      parallel_attn_mlp: model.parallel_blocks,
      d_model: model.d_model,
    },
    nodes: Object.fromEntries([...nodes].map((name) => [name, { in_graph: inside.has(name) }])),
    edges: Object.fromEntries(
      all.edges.map(({ source, target, effect }) => [
        `${mibName(source)}->${mibName(target)}`,
        { score: effect, in_graph: kept.has(edgeId(source, target)) },
      ]),
    ),
    ...([...circuit].some((id) => id.includes('@')) ? { note: WITHOUT_POSITIONS } : {}),
  };
}

function mibEnd(end: string): string {
  return mibName(end).replace(/<[qkv]>$/, '');
}

/** The edges of a circuit in a file's text; a string is what is wrong. */
export function readCircuit(text: string): string[] | string {
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    return 'This file is no JSON.';
  }
  const found = edgesIn(said);
  if (!found) return 'This file has no edges of a circuit: neither Unembed’s JSON nor MIB’s.';
  const wrong = found.find((name) => !isCircuitName(name));
  if (wrong !== undefined) return `“${wrong}” is no edge of a circuit.`;
  const most = LIMITS.max_circuit_names;
  return found.length > most
    ? `The file’s circuit has ${found.length.toLocaleString('en')} edges; at most ${most.toLocaleString('en')} can be put in by name.`
    : found;
}

function edgesIn(said: unknown): string[] | null {
  if (!isRecord(said)) return null;
  const answer = isRecord(said['answer']) ? said['answer'] : said;
  const { edges } = answer;
  if (Array.isArray(edges))
    return edges.map((edge: unknown) =>
      isRecord(edge) ? edgeId(String(edge['source']), String(edge['target'])) : String(edge),
    );
  if (!isRecord(edges)) return null;
  return Object.entries(edges).flatMap(([name, edge]) => {
    const [source, target] = name.split('->').map(ownName);
    if (!isRecord(edge) || edge['in_graph'] !== true) return [];
    return [source && target ? edgeId(source, target) : name];
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
