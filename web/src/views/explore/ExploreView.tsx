/** Explore: what neurons write, whatever runs. Search, tokens, similar vectors, layers, clusters. */
import { useHits, useIndex, type Hits, type IndexStatus } from '../../shared/api/explore';
import { ApiError, problemAt } from '../../shared/api/client';
import type { Analysis, ModelInfo } from '../../shared/api/queries';
import { Segments } from '../../shared/parts/parts';
import type { Explore, Question } from '../../shared/text/explore';
import type { Context } from '../../shared/text/exploreQuestions';
import { ask, useExplore } from '../../shared/state/exploring';
import { useSpec } from '../../shared/state/store';
import { ErrorNote } from '../../shared/parts/ErrorNote';
import { contextOf } from './context';
import { ExploreClusters } from './ExploreClusters';
import { EditsEffect } from '../../shared/parts/EditsEffect';
import { ExploreForm } from './ExploreForm';
import { ExploreFormula } from './ExploreFormula';
import { ExploreHits } from './ExploreHits';
import { IndexMenu, NoIndex } from './ExploreIndex';
import { ExploreLabels } from './ExploreLabels';
import { ExploreSave } from './ExploreSave';
import type { ViewProps } from '../../shared/view';
import { Status, ViewBar } from '../../shared/parts/ViewBar';

const ASK: ReadonlyArray<readonly [Question, string, string]> = [
  ['search', 'Words', 'Vectors whose strongest tokens have these words'],
  ['token', 'Token', 'The vectors that raise, or lower, one token most'],
  [
    'similar',
    'Similar',
    'The vectors nearest to a neuron, a difference of tokens, a state of the run',
  ],
  ['browse', 'Layers', 'The neurons of a layer, by number'],
  ['clusters', 'Clusters', 'Groups of vectors that point the same way'],
  ['labels', 'Labels', 'Nodes by what is said of them in words, by you or by machine'],
];

const AMONG_WORDS: ReadonlyArray<readonly [Explore['among'], string, string]> = [
  ['neurons', 'neurons', 'The value vectors of the feed-forwards'],
  ['latents', 'latents', 'What the latents of the attached autoencoders write'],
];

/** The bar keeps its place whatever is asked, so that the keyboard's focus does, too. */
export function ExploreView({ model, experiment }: ViewProps) {
  const spec = useSpec();
  const { explore } = spec;
  const index = useIndex();
  const status = index.data ?? null;
  const latents = explore.among === 'latents' && explore.ask !== 'clusters';
  const ready = status !== null && (latents || status[explore.projection] !== null);
  const named = explore.ask === 'labels';
  const listed = ready && explore.ask !== 'clusters' && !named;
  const context = contextOf(spec, experiment.position, model);
  const analysis = useHits(spec, context, listed);
  const found = listed ? analysis.data : null;
  return (
    <>
      <ExploreBar model={model} status={status} analysis={analysis} working={index.isPending}>
        {found && model ? <ExploreSave data={found} model={model} /> : null}
        {listed ? <ExploreFormula data={found} /> : null}
      </ExploreBar>
      <IndexError error={index.error} retry={() => void index.refetch()} />
      {listed ? <Asked model={model} context={context} analysis={analysis} /> : null}
      {named ? <ExploreLabels /> : null}
      {ready && !listed && !named && model ? (
        <ExploreClusters model={model} status={status} />
      ) : null}
      {status && !ready && !named ? <NoIndex status={status} model={model} /> : null}
      <EditsEffect position={experiment.position} />
    </>
  );
}

function IndexError({ error, retry }: { error: Error | null; retry: () => void }) {
  return error instanceof ApiError ? <ErrorNote error={error} retry={retry} stale={false} /> : null;
}

interface BarProps {
  model: ModelInfo | null;
  status: IndexStatus | null;
  analysis: Analysis<Hits>;
  working: boolean;
  children: React.ReactNode;
}

function ExploreBar({ model, status, analysis, working, children }: BarProps) {
  const { ask: question, among } = useExplore();
  const listed = question !== 'clusters' && question !== 'labels';
  return (
    <ViewBar
      status={
        working ? (
          <span className="status busy" data-busy="true" />
        ) : listed ? (
          <Status kind="hits" analysis={analysis} />
        ) : null
      }
    >
      <Segments
        name="ask"
        label="What to ask"
        value={question}
        options={ASK}
        onChange={(value: Question) => ask({ ask: value })}
      />
      {listed && (model?.attached.length || among === 'latents') ? (
        <Segments
          name="among"
          label="Among"
          value={among}
          options={AMONG_WORDS}
          onChange={(value: Explore['among']) => ask({ among: value })}
        />
      ) : null}
      {status ? <IndexMenu status={status} model={model} /> : null}
      {children}
    </ViewBar>
  );
}

interface AskedProps {
  model: ModelInfo | null;
  context: Context;
  analysis: Analysis<Hits>;
}

function Asked({ model, context, analysis }: AskedProps) {
  const explore = useExplore();
  return (
    <>
      <ExploreForm model={model} context={context} error={analysis.error} />
      <ErrorNote
        error={problemAt(analysis.error, 'words') === null ? analysis.error : null}
        retry={analysis.retry}
        stale={analysis.data !== null}
      />
      <ExploreHits analysis={analysis} model={model} asked={isAsked(explore, context)} />
    </>
  );
}

function isAsked(explore: Explore, context: Context): boolean {
  if (explore.ask === 'search') return explore.words.trim() !== '';
  if (explore.ask === 'token') return explore.token !== '';
  if (explore.ask !== 'similar') return true;
  if (explore.like === 'node') return explore.node !== null;
  return explore.like === 'tokens' ? explore.plus !== '' : context.prompt !== '';
}
