/** What the colours and curves are, and how much of the pattern they are. */
import { make } from '../dom';
import { colourBar } from '../legendBar';
import { panelModes, patternOf } from './pattern';
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
  for (const one of panelModes(attention, mode)) {
    const pattern = patternOf(attention, one, head);
    const scale = scaleOf(pattern);
    const name = attention.edited && mode === 'beside' ? `${one}: ${scale.name}` : scale.name;
    element.append(colourBar({ ...scale, name }, theme, maps), line(keptWords(pattern)));
  }
  if (attention.edited && mode === 'difference' && panelModes(attention, mode)[0] !== 'difference')
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
