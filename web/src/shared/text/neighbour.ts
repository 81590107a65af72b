/** The neighbours of a node by number. */
import type { ModelInfo } from '../api/queries';
import { formatTarget, misfit, mixerOf, parseTarget } from './address';

/** What ‹ and › lead to; null at either end. */
export function neighbour(node: string, step: number, model: ModelInfo): string | null {
  const target = parseTarget(node);
  if (target?.kind === 'neuron') {
    const neuron = target.neuron + step;
    return neuron >= 0 && neuron < model.d_mlp ? `L${target.layer}.N${neuron}` : null;
  }
  if (target?.kind === 'latent') {
    const next = { ...target, index: target.index + step };
    return next.index >= 0 && misfit(next, model) === null ? formatTarget(next) : null;
  }
  if (target?.kind === 'head') {
    const head = target.head + step;
    return head >= 0 && head < model.n_heads ? `L${target.layer}.H${head}` : null;
  }
  if (target === null || !('layer' in target) || target.kind === 'site') return null;
  const layer = target.layer + step;
  if (layer < 0 || layer >= model.n_layers) return null;
  return `L${layer}.${target.kind === 'mlp' ? 'mlp' : mixerOf(layer, model)}`;
}
