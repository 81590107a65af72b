/** The question, as one line: what is looked for, on which side, in which layers. */
import { problemAt, type ApiError } from '../../shared/api/client';
import type { ModelInfo } from '../../shared/api/queries';
import { Segments } from '../../shared/parts/parts';
import { type Explore } from '../../shared/text/explore';
import { splitWords, type Context } from '../../shared/text/exploreQuestions';
import { ask, useExplore } from '../../shared/state/exploring';
import { change } from '../../shared/state/store';
import {
  Go,
  LayersField,
  LayerSelect,
  Line,
  SideChoice,
  Spaced,
  TokenInput,
  useDraft,
} from './ExploreFields';
import { SimilarForm } from './ExploreSimilar';

interface Props {
  model: ModelInfo | null;
  context: Context;
  error: ApiError | null;
}

export function ExploreForm(props: Props) {
  const { ask: question } = useExplore();
  switch (question) {
    case 'search':
      return <WordsForm {...props} />;
    case 'token':
      return <TokenForm {...props} />;
    case 'similar':
      return <SimilarForm {...props} />;
    default:
      return <BrowseForm {...props} />;
  }
}

// ------------------------------------------------------------------ words

function WordsForm({ model, error }: Props) {
  const explore = useExplore();
  const [draft, setDraft] = useDraft(explore.words);
  const several = splitWords(explore.words).length > 1;
  return (
    <Line
      label="Search by words"
      onSubmit={() => ask({ words: draft.trim() })}
      problem={<Nearest error={error} explore={explore} />}
    >
      <input
        className="mono explore-words"
        type="search"
        data-testid="words"
        aria-label="Words, with commas between"
        aria-invalid={problemAt(error, 'words') !== null}
        placeholder="music, album"
        autoComplete="off"
        spellCheck={false}
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
      />
      <Go testid="search" label="Search" disabled={splitWords(draft).length === 0} />
      {several ? (
        <Segments
          name="combine"
          label="Of several words"
          value={explore.combine}
          options={[
            ['any', 'any', 'Vectors that list one of the words'],
            ['all', 'all', 'Vectors that list every word'],
          ]}
          onChange={(combine: Explore['combine']) => ask({ combine })}
        />
      ) : null}
      <Segments
        name="match"
        label="How a word is met"
        value={explore.match}
        options={[
          [
            'word',
            'word',
            'Every token that is the word, whatever its case and the space before it',
          ],
          ['exact', 'exact', 'The token of exactly this text; write ␣ for a space'],
          ['part', 'part', 'Every token that contains it'],
        ]}
        onChange={(match: Explore['match']) => ask({ match })}
      />
      <SideChoice />
      <Segments
        name="ranking"
        label="Ranked by"
        value={explore.ranking}
        options={[
          ['strength', 'strength', 'How strongly a vector promotes the words, and little else'],
          ['bm25', 'BM25', 'How many of the words its list has, rare ones counting more'],
        ]}
        onChange={(ranking: Explore['ranking']) => ask({ ranking })}
      />
      <LayersField model={model} />
    </Line>
  );
}

/** A word that the vocabulary does not have: the nearest ones are one click away. */
function Nearest({ error, explore }: { error: ApiError | null; explore: Explore }) {
  if (!error || problemAt(error, 'words') === null) return null;
  const words = splitWords(explore.words);
  const wrong = words[Number(/\[(\d+)\]/.exec(error.body.field ?? '')?.[1] ?? 0)] ?? '';
  const near = [...(error.body.legal ?? '').matchAll(/'([^']+)'|"([^"]+)"/g)].map(
    (found) => found[1] ?? found[2] ?? '',
  );
  const parts = error.body.fix?.includes('match="part"') && explore.match !== 'part';
  return (
    <p className="explore-nearest" role="alert" data-testid="nearest">
      <strong className="problem">
        {error.message.replace(/; the nearest words are .*/, '.')}
      </strong>
      {near.length > 0 ? <span className="faint">Nearest:</span> : null}
      {near.map((word) => (
        <button
          key={word}
          type="button"
          className="try"
          onClick={() =>
            ask({ words: words.map((other) => (other === wrong ? word : other)).join(', ') })
          }
        >
          {word}
        </button>
      ))}
      {parts ? (
        <button type="button" className="link" onClick={() => ask({ match: 'part' })}>
          Find it by its parts
        </button>
      ) : null}
    </p>
  );
}

// ------------------------------------------------------------------ one token

function TokenForm({ model, error }: Props) {
  const explore = useExplore();
  const [draft, setDraft] = useDraft(explore.token);
  return (
    <Line
      label="Search by token"
      onSubmit={() => ask({ token: draft })}
      problem={
        <Spaced error={error} at="token" text={explore.token} use={(token) => ask({ token })} />
      }
    >
      <TokenInput
        testid="token"
        label="Token"
        value={draft}
        onChange={setDraft}
        wrong={problemAt(error, 'token') !== null}
      />
      <Go testid="search" label="Search" disabled={draft === ''} />
      <SideChoice />
      <LayersField model={model} />
    </Line>
  );
}

// ------------------------------------------------------------------ layers

function BrowseForm({ model }: Props) {
  const explore = useExplore();
  const [draft, setDraft] = useDraft(String(explore.first));
  const latents = explore.among === 'latents';
  const letter = latents ? 'F' : 'N';
  const here = model?.attached.find(({ layer }) => layer === explore.layer);
  const count = latents ? (here?.n_latents ?? 0) : model?.d_mlp;
  const most = model ? (count ?? 0) : Infinity;
  const good = /^\d{1,7}$/.test(draft) && Number(draft) < most;
  return (
    <Line label="Browse a layer" onSubmit={() => good && ask({ first: Number(draft) })}>
      <span className="faint">layer</span>
      <LayerSelect
        model={model}
        value={explore.layer}
        onChange={(layer) => ask({ layer, first: 0 })}
      />
      <label htmlFor="browse-first" className="faint">
        from {latents ? 'latent' : 'neuron'}
      </label>
      <input
        id="browse-first"
        className="mono explore-number"
        data-testid="browse-first"
        inputMode="numeric"
        aria-invalid={!good}
        title={model ? `0–${most - 1}` : undefined}
        value={draft}
        onChange={(event) => setDraft(event.target.value.trim())}
      />
      <Go testid="search" label="Go" disabled={!good} />
      <button
        type="button"
        disabled={!good}
        data-testid="browse-open"
        onClick={() => change({ node: `L${explore.layer}.${letter}${Number(draft)}` })}
      >
        Open L{explore.layer}.{letter}
        {draft}
      </button>
    </Line>
  );
}
