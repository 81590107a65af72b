/** What of the page a question about vectors can refer to: a state of its run. */
import { saidOf } from '../../shared/text/chat';
import type { ModelInfo } from '../../shared/api/queries';
import type { Context } from '../../shared/text/exploreQuestions';

export function contextOf(
  spec: { prompt: string; source?: string; row: string | null },
  position: number | null,
  model: ModelInfo | null,
): Context {
  const last = `L${Math.max(0, (model?.n_layers ?? 1) - 1)}.resid_post`;
  const row = spec.row === null || spec.row === 'embed' ? last : spec.row;
  return { prompt: saidOf(spec), position, row: row.replace('resid_pre+attn_out', 'resid_pre') };
}
