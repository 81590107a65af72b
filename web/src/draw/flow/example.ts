/** A flow graph as the server writes it, of any size, with numbers like those of GPT-2 medium. */
import type { components } from '../../api.gen';
import { token } from '../lens/example';

type Schemas = components['schemas'];
export type Wire = Schemas['FlowComparison'];
type Node = Schemas['FlowNode'];
type Link = Schemas['FlowLink'];
type Reading = Schemas['FlowReading'];

export interface Shape {
  layers: number[];
  heads: number;
  values: number;
  neurons: number;
  rows: number;
  parallel: boolean;
  merged: boolean;
  rest: boolean;
  /** Norm of the residual stream; what is added is about a tenth of it. */
  stream: number;
}

const SHAPE: Shape = {
  layers: [14],
  heads: 10,
  values: 2,
  neurons: 25,
  rows: 25,
  parallel: false,
  merged: false,
  rest: false,
  stream: 195,
};

const WORDS =
  ' Tokyo, Osaka, Yamato, Kyoto,samurai, the, London, cities, of, Chicago,opolis, Fuji, markets,Replay, Dav, Hiro, and, Los, San, Alexandria, Conway,ESV,町'.split(
    ',',
  );
const PROMPT = ['The', ' capital', ' of', ' Japan', ' is', ' the', ' city', ' of'];
export const VOCABULARY = 50_257;

/** Numbers in [0, 1) that are the same in each run. */
function dice(): () => number {
  let seed = 7;
  return () => {
    seed = (seed * 16807) % 2147483647;
    return seed / 2147483647;
  };
}

const wordOf = (id: number) => token(id, WORDS[id] ?? '');
const PROMPT_TOKENS = PROMPT.map((text, at) => token(100 + at, text));

export const NODE = {
  address: null,
  position: null,
  token: null,
  sign: 1,
  activation: null,
  gate: null,
  up: null,
  attention: null,
  sink: null,
  site: null,
  attributed: null,
  cut: null,
} as const;
/** What a sum has where no latents are shown. */
export const SUM = {
  reason: null,
  site: null,
  error: null,
  active: null,
  latents: null,
} as const;
/** What a link has where nothing else is said of it. */
export const LINK = {
  colour: 'entropy',
  colour_value: null,
  norm: null,
  activation: null,
  attention: null,
  share: null,
  attributed: null,
  row: null,
  coefficient: 1,
  cut: null,
} as const;

class Builder {
  readonly nodes: Node[] = [];
  readonly links: Link[] = [];
  private readonly roll = dice();

  constructor(private readonly change: number) {}

  random(low: number, high: number): number {
    return low + (high - low) * this.roll();
  }

  node(id: string, kind: Node['kind'], column: number, more: Partial<Node> = {}): string {
    const reading = this.reading();
    if (reading.target && id.includes('.H')) reading.target.probability *= this.change;
    const word = reading.tokens[0]?.token.text ?? '';
    const suppresses = more.sign === -1;
    const layer = Number(/^L(\d+)/.exec(id)?.[1]);
    this.nodes.push({
      ...NODE,
      id,
      kind,
      layer,
      column,
      title: `${kind} of layer ${layer}`,
      label: `${suppresses ? '−' : ''}${word.replace(' ', '␣')}`,
      readings: suppresses ? [reading, { ...this.reading(), name: 'suppressed' }] : [reading],
      ...more,
    });
    return id;
  }

  reading(): Reading {
    const rank = Math.ceil(VOCABULARY ** this.random(0, 1));
    const first = Math.floor(this.random(0, WORDS.length));
    return {
      name: '',
      row: 0,
      norm: this.random(5, 30),
      entropy: this.random(0, 10.8),
      tokens: [0, 1, 2, 3, 4].map((at) => ({
        token: wordOf((first + at) % WORDS.length),
        probability: 0.5 / (at + 1),
      })),
      target: { probability: rank === 1 ? 0.62 : 1 / (rank + 2), rank },
    };
  }

  link(source: string, target: string, kind: Link['kind'], width: number, more: Partial<Link>) {
    const id = `${source}>${target}`;
    const scaled = id.includes('.H') ? width * this.change : width;
    this.links.push({ ...LINK, id, source, target, kind, width: scaled, ...more });
  }

  entropy(): Partial<Link> {
    return { colour: 'entropy', colour_value: this.random(0, 10.8) };
  }
}

/** `change` is a factor of the widths about heads, in the edited side. */
export function flowExample(shape: Partial<Shape> = {}, change: number | null = null): Wire {
  const whole = { ...SHAPE, ...shape };
  const baseline = side(whole, 1);
  return {
    baseline,
    edited: change === null ? null : side(whole, change),
    effects: null,
    measured: [],
    left_out: 0,
  };
}

function side(shape: Shape, change: number): Schemas['FlowGraph'] {
  const builder = new Builder(change);
  let column = 0;
  let before: string | null = null;
  for (const [at, layer] of shape.layers.entries()) {
    const follows = before !== null && shape.layers[at - 1] === layer - 1;
    if (before !== null && !follows) column += 1;
    const start: string =
      before !== null && follows
        ? before
        : builder.node(`L${layer}.resid_pre`, 'resid_pre', column);
    if (before !== null && !follows)
      builder.link(before, start, 'skipped', shape.stream, { colour: 'residual_mlp' });
    before = shape.parallel
      ? parallelBlock(builder, shape, layer, column, start)
      : sequentialBlock(builder, shape, layer, column, start);
    column += shape.parallel ? 11 : 15;
  }
  return {
    tokens: PROMPT_TOKENS,
    layers: shape.layers,
    position: PROMPT.length - 1,
    target: {
      text: ' Tokyo',
      tokens: [token(0, ' Tokyo')],
      mode: 'first',
      chosen: true,
      objective: "logit of ' Tokyo'",
      of_token: true,
    },
    vocab_size: VOCABULARY,
    options: {} as Schemas['FlowGraph']['options'],
    selection: [],
    provenance: {},
    output: builder.reading(),
    nodes: builder.nodes,
    links: builder.links,
    sums: [],
    source_tokens: [],
    notes: [],
  };
}

function sequentialBlock(
  builder: Builder,
  shape: Shape,
  layer: number,
  column: number,
  start: string,
): string {
  const name = `L${layer}`;
  const { stream } = shape;
  const input = builder.node(`${name}.attn_in`, 'attn_in', column + 1);
  builder.link(start, input, 'norm', stream, { colour: 'norm' });
  const attention = attentionPart(builder, shape, name, column + 2, input);
  const middle = builder.node(`${name}.resid_mid`, 'resid_mid', column + 10);
  builder.link(attention, middle, 'branch', stream / 9, builder.entropy());
  builder.link(start, middle, 'residual_attn', stream, { colour: 'residual_attn' });
  const read = builder.node(`${name}.mlp_in`, 'mlp_in', column + 11);
  builder.link(middle, read, 'norm', stream * 1.02, { colour: 'norm' });
  const wrote = feedForward(builder, shape, name, column + 12, read);
  const end = builder.node(`${name}.resid_post`, 'resid_post', column + 15);
  builder.link(wrote, end, 'branch', stream / 6, builder.entropy());
  builder.link(middle, end, 'residual_mlp', stream * 1.02, { colour: 'residual_mlp' });
  return end;
}

function parallelBlock(
  builder: Builder,
  shape: Shape,
  layer: number,
  column: number,
  start: string,
): string {
  const name = `L${layer}`;
  const { stream } = shape;
  const norm = builder.node(`${name}.norm`, 'norm', column + 1);
  builder.link(start, norm, 'norm', stream, { colour: 'norm' });
  const input = builder.node(`${name}.attn_in`, 'attn_in', column + 2);
  const read = builder.node(`${name}.mlp_in`, 'mlp_in', column + 2);
  for (const end of [input, read]) builder.link(norm, end, 'norm', 40, { colour: 'norm' });
  const attention = attentionPart(builder, shape, name, column + 3, input, 10);
  const wrote = feedForward(builder, shape, name, column + 8, read);
  const end = builder.node(`${name}.resid_post`, 'resid_post', column + 11);
  builder.link(attention, end, 'branch', stream / 9, builder.entropy());
  builder.link(wrote, end, 'branch', stream / 6, builder.entropy());
  builder.link(start, end, 'residual_attn', stream, { colour: 'residual_attn' });
  return end;
}

/** Returns attn_out. */
function attentionPart(
  builder: Builder,
  shape: Shape,
  name: string,
  column: number,
  input: string,
  outColumn = column + 7,
): string {
  const qkv = builder.node(`${name}.qkv`, 'qkv', column);
  builder.link(input, qkv, 'qkv', 21, builder.entropy());
  const heads = Array.from({ length: shape.heads }, (_, head) => {
    oneHead(builder, shape, `${name}.H${head}`, column + 1, qkv);
    return `${name}.H${head}`;
  });
  const z = builder.node(`${name}.z`, 'z', column + 5);
  for (const head of heads) {
    const norm = (shape.stream / 195) * builder.random(1, 12);
    builder.link(head, z, 'head', 1.8 * norm, { ...builder.entropy(), norm });
  }
  if (shape.rest) {
    builder.node(`${name}.heads.rest`, 'rest', column + 4, { readings: [], label: '' });
    builder.link(`${name}.heads.rest`, z, 'rest', 6, { colour: 'norm' });
  }
  const out = `${name}.attn_out`;
  for (let row = 0; row < shape.rows; row++) oneRow(builder, shape, name, row, column + 6, z, out);
  const bias = builder.node(`${name}.attn_bias`, 'attn_bias', column + 6);
  builder.link(z, bias, 'bias', 7, { colour: 'bias' });
  builder.link(bias, out, 'bias', 3, { colour: 'bias' });
  return builder.node(out, 'attn_out', outColumn, { address: `${name}.attn` });
}

function oneHead(builder: Builder, shape: Shape, head: string, column: number, qkv: string): void {
  const query = builder.node(`${head}.query`, 'query', column);
  builder.link(qkv, query, 'query', builder.random(1, 6), builder.entropy());
  for (let at = 0; at < shape.values; at++) {
    const score = builder.random(0.02, 0.8) / (at + 1);
    const width = Math.max(10 * score, 0.51);
    const colour = { colour: 'attention', colour_value: score, attention: score } as const;
    const place = { position: at, token: PROMPT_TOKENS[at] ?? null, attention: score };
    const value = `${head}.value@${at}`;
    if (!shape.merged) {
      const key = builder.node(`${head}.key@${at}`, 'key', column + 1, place);
      builder.link(query, key, 'attention', width, colour);
      builder.link(key, value, 'attention', width, colour);
    } else builder.link(query, value, 'attention', width, colour);
    builder.node(value, 'value', column + 2, {
      ...place,
      cut: { operation: 'cut', target: value },
    });
    builder.link(value, head, 'memory', 1.3 * score * (shape.stream / 9), builder.entropy());
  }
  builder.node(head, 'head', column + 3, {
    address: head,
    attributed: builder.random(-2, 2),
    cut: { operation: 'zero', target: head },
  });
}

function oneRow(
  builder: Builder,
  shape: Shape,
  name: string,
  row: number,
  column: number,
  z: string,
  out: string,
): void {
  const activation = (row < 18 ? 1 : -1) * builder.random(0.3, 3);
  const id = builder.node(`${name}.z${row * 37}`, 'z_row', column, {
    activation,
    sign: activation < 0 ? -1 : 1,
  });
  builder.link(z, id, 'z_row_key', 7, { colour: 'sign', colour_value: activation });
  builder.link(id, out, 'z_row', Math.abs(activation) * (shape.stream / 150), builder.entropy());
}

/** Returns mlp_out. */
function feedForward(
  builder: Builder,
  shape: Shape,
  name: string,
  column: number,
  input: string,
): string {
  const out = `${name}.mlp_out`;
  for (let neuron = 0; neuron < shape.neurons; neuron++) {
    const activation = (neuron < 18 ? 1 : -1) * builder.random(0.2, 3);
    const id = `${name}.N${neuron * 137}`;
    const sign = { colour: 'sign', colour_value: activation } as const;
    if (!shape.merged) {
      builder.node(`${id}.key`, 'neuron_key', column);
      builder.link(input, `${id}.key`, 'neuron_key', 7, builder.entropy());
      builder.link(`${id}.key`, id, 'activation', 1.5 * Math.abs(activation), sign);
    } else builder.link(input, id, 'activation', 1.5 * Math.abs(activation), sign);
    builder.node(id, 'neuron', column + 1, {
      activation,
      sign: activation < 0 ? -1 : 1,
      address: id,
      cut: { operation: 'zero', target: id },
    });
    builder.link(id, out, 'neuron', (Math.abs(activation) * shape.stream) / 50, builder.entropy());
  }
  const [inner, outer] = [`${name}.mlp_in_bias`, `${name}.mlp_bias`] as const;
  builder.node(inner, 'mlp_in_bias', column);
  builder.node(outer, 'mlp_bias', column + 1);
  builder.link(input, inner, 'bias', 7, { colour: 'bias' });
  builder.link(inner, outer, 'bias', 0.05, { colour: 'hidden' });
  builder.link(outer, out, 'bias', 5, { colour: 'bias' });
  return builder.node(out, 'mlp_out', column + 2, { address: `${name}.mlp` });
}
