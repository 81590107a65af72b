/** A flow graph as Python writes it (`FlowGraph.to_json`), as what is drawn. */
import { sideOf, type Flow, type FlowSideData, type TokenText } from './data';

export interface FlowJson extends Pick<
  FlowSideData,
  'output' | 'nodes' | 'links' | 'sums' | 'notes'
> {
  layers: number[];
  position: number;
  tokens: TokenText[];
  vocab_size: number;
  target?: Flow['target'] | null;
}

const NO_TARGET: Flow['target'] = {
  text: '',
  tokens: [],
  mode: 'first',
  chosen: false,
  objective: null,
  of_token: true,
};

export function flowOfJson(data: FlowJson): Flow {
  const { output, nodes, links, sums, notes } = data;
  return {
    tokens: data.tokens,
    layers: data.layers,
    position: data.position,
    target: data.target ?? NO_TARGET,
    baseline: sideOf({ output, nodes, links, sums, notes }),
    edited: null,
    effects: null,
  };
}
