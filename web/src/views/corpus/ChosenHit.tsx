/** The token that is looked at: its whole sentence, and what is known of it. */
import { Icon } from '../../shared/parts/parts';
import { change, useSpec } from '../../shared/state/store';
import { mostOf, Text } from './HitLine';
import { showCorpus } from './corpusState';
import { useSentences, type Hit, type Hits } from './query';
import { keptOf, type About } from './request';
import { isFromRight, litOf, saysOf, sourceOf, stretchesOf } from './sentence';

interface Props {
  hit: Hit;
  data: Hits;
  about: About;
}

export function ChosenHit({ hit, data, about }: Props) {
  const spec = useSpec();
  const lit = litOf(data, keptOf(about).at(-1)?.layer ?? 0);
  const found = useSentences(spec, about.name, [hit.row], lit)?.get(hit.row) ?? null;
  const stretches = stretchesOf(hit.text, hit, found);
  const special = found?.attention?.reduce(
    (sum, share, at) => (found.tokens[at]?.start === null ? sum + share : sum),
    0,
  );
  const heads = lit.heads.length === 0 ? 'all heads' : `heads ${lit.heads.join(', ')}`;
  return (
    <section className="corpus-chosen" aria-label="The chosen token" data-testid="corpus-chosen">
      <p className="corpus-sentence" dir={isFromRight(hit.text) ? 'rtl' : 'ltr'}>
        <Text stretches={stretches} most={mostOf(stretches)} />
      </p>
      <p className="faint">
        <strong>{hit.match.token.label}</strong> {saysOf(hit.match)}
        {hit.next ? (
          <>
            {' '}
            · next <strong>{hit.next.token.label}</strong> {hit.next.pos ?? ''}
          </>
        ) : null}
        {' · '}
        {sourceOf(hit)}
        {found?.attention
          ? ` · behind it: attention of layer ${lit.layer}, ${heads}${special ? `; ${(100 * special).toFixed(0)}% to special tokens` : ''}`
          : ''}
      </p>
      <button
        type="button"
        className="link"
        data-testid="corpus-as-prompt"
        onClick={() =>
          change({ prompt: hit.text, chat: false, pair: '', position: hit.match.position })
        }
      >
        Ask with this sentence
      </button>
      <button
        type="button"
        className="icon-button corpus-close"
        aria-label="Close the sentence"
        onClick={() => showCorpus({ chosen: null })}
      >
        <Icon name="close" />
      </button>
    </section>
  );
}
