/** The views, in the order of their tabs; the page opens with the first. All that knows views reads this list. */
import type { View } from '../shared/view';
import { attention } from './attention';
import { attribution } from './attribution';
import { circuit } from './circuit';
import { component } from './component';
import { corpus } from './corpus';
import { explore } from './explore';
import { flow } from './flow';
import { graph } from './graph';
import { latents } from './latents';
import { lens } from './lens';
import { patching } from './patching';
import { predictions } from './predictions';

export const VIEWS: readonly View[] = [
  predictions,
  lens,
  attention,
  flow,
  attribution,
  patching,
  circuit,
  graph,
  explore,
  corpus,
  latents,
  component,
];
