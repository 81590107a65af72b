/** A page for tests of the Python that reproduces it. */
import type { ModelInfo } from './api/queries';
import type { Spec } from './text/url';
import type { Page } from './view';

export function page(name: string, spec: Spec, position = -1, layers = 12): Page {
  const model = {
    name,
    n_layers: layers,
    n_heads: 12,
    heads: { self: Array.from({ length: layers }, () => 12), cross: [], encoder: [] },
    attention_layers: Array.from({ length: layers }, (_, layer) => layer),
    capabilities: [],
    examples: [],
  };
  return { model: model as unknown as ModelInfo, spec, position };
}
