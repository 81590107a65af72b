/** What the colours and curves are, and how much of the pattern they are. */
import { make } from '../dom';
import { colourBar } from '../legendBar';
import { modeName, panelModes, patternOf } from './pattern';
import { scaleOf } from './scale';
import type { AttentionShown } from './shown';
import { keptWords } from './text';

const SPECIAL = {
  shown: '',
  hidden: 'Special tokens are hidden: their rows and columns count 0.',
  renormalised: 'Special tokens are hidden, and the rest of each row is made to sum to 1.',
} as const;

export function attentionLegend({
  attention,
  mode,
  head,
  theme,
  maps,
}: AttentionShown): HTMLElement {
  const element = make('div', { class: 'att-legend', 'data-testid': 'attention-legend' });
  const modes = panelModes(attention, mode);
  for (const [at, one] of modes.entries()) {
    const pattern = patternOf(attention, one, head);
    // Both sides have one scale.
    if (at === 0) element.append(colourBar(scaleOf(pattern), theme, maps));
    const side = modes.length > 1 ? `${modeName(attention, one)}: ` : '';
    element.append(line(`${side}${keptWords(pattern)}`));
  }
  if (attention.edited && mode === 'difference' && modes[0] !== 'difference')
    element.append(line('The two prompts differ in length, so there is no difference to draw.'));
  const special = SPECIAL[attention.meta.special];
  if (special) element.append(line(special));
  if (attention.meta.heads.length > 1)
    element.append(
      line(
        'Beside the columns, a column for each head: the mean that it sends and receives, each map ' +
          'on its own scale; with a token chosen across from it, that token’s own row.',
      ),
    );
  return element;
}

function line(words: string): HTMLElement {
  return make('p', { class: 'faint' }, words);
}
