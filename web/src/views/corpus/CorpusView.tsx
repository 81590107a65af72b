/** Corpus: tokens of one's own texts, in their sentences, and what they have in common; what heads look at. */
import { ApiError } from '../../shared/api/client';
import { useCorpora } from '../../shared/api/corpora';
import type { Analysis, ModelInfo } from '../../shared/api/queries';
import { ErrorNote } from '../../shared/parts/ErrorNote';
import { TokenStrip } from '../../shared/parts/TokenStrip';
import { Status, ViewBar } from '../../shared/parts/ViewBar';
import { Segments } from '../../shared/parts/parts';
import { isAsked } from '../../shared/text/chat';
import { useSpec } from '../../shared/state/store';
import type { ViewProps } from '../../shared/view';
import { BuildCorpus } from './BuildCorpus';
import { ChosenHit } from './ChosenHit';
import { CorpusFormula } from './CorpusFormula';
import { CorpusHits } from './CorpusHits';
import { CorpusMenu } from './CorpusMenu';
import { CorpusSave, RelationsSave } from './CorpusSave';
import { CorpusSetup } from './CorpusSetup';
import { CorpusSummary } from './CorpusSummary';
import { NoCorpus, NoPrompt } from './NoCorpus';
import { RelationsSetup, RelationsTable } from './Relations';
import { askCorpus, useCorpus, type CorpusState } from './corpusState';
import { useCorpusHits, useRelations, type Hits, type Relations } from './query';
import { summedOf, type About } from './request';
import './corpus.css';

const ASK = [
  [
    'like',
    'Like this token',
    'Tokens whose state, or context, is like that of a token of the prompt',
  ],
  ['labels', 'By labels', 'Every token that the filter leaves, in the order of the texts'],
  ['heads', 'Heads', 'What each head looks at over the corpus'],
] as const;

export function CorpusView({ model, experiment, cellWidth }: ViewProps) {
  const spec = useSpec();
  const { corpus } = spec;
  const corpora = useCorpora();
  const listed = corpora.data?.items ?? null;
  const about = listed ? (listed.find(({ name }) => name === corpus.name) ?? null) : null;
  const shown = about ?? (corpus.name === '' ? (listed?.[0] ?? null) : null);
  const hits = useCorpusHits(spec, shown, experiment.position, model);
  const relations = useRelations(spec, shown);
  const { ask } = corpus;
  const unasked = ask === 'like' && !isAsked(spec);
  const building = ask === 'build' || (listed !== null && !shown);
  return (
    <>
      <ViewBar
        status={<Working pending={corpora.isPending} hits={hits} relations={relations} ask={ask} />}
      >
        {listed && listed.length > 0 ? (
          <>
            <CorpusMenu corpora={listed} shown={shown} />
            <Segments
              name="corpus-ask"
              label="What is looked for"
              value={ask}
              options={ASK}
              onChange={(chosen: CorpusState['ask']) => askCorpus({ ask: chosen })}
            />
          </>
        ) : null}
        {ask === 'heads'
          ? relations.data && model && <RelationsSave data={relations.data} model={model} />
          : hits.data &&
            model &&
            !unasked &&
            !building && <CorpusSave data={hits.data} model={model} />}
        {shown && !building ? <CorpusFormula data={unasked ? null : hits.data} /> : null}
      </ViewBar>
      <ErrorNote
        error={corpora.error instanceof ApiError ? corpora.error : null}
        retry={() => void corpora.refetch()}
        stale={false}
      />
      {listed && !shown ? <NoCorpus model={model} listed={listed} name={corpus.name} /> : null}
      {shown && ask === 'build' && model ? <BuildCorpus model={model} /> : null}
      {shown && ask === 'heads' && model ? (
        <>
          <RelationsSetup found={relations.data} model={model} />
          <ErrorNote
            error={relations.error}
            retry={relations.retry}
            stale={relations.data !== null}
          />
          <RelationsTable analysis={relations} about={shown} />
        </>
      ) : null}
      {shown && (ask === 'like' || ask === 'labels') ? (
        <>
          {ask === 'like' && isAsked(spec) ? (
            <TokenStrip experiment={experiment} cellWidth={cellWidth} />
          ) : null}
          <CorpusSetup about={shown} model={model} labels={hits.data?.labels ?? null} />
          <ErrorNote error={hits.error} retry={hits.retry} stale={hits.data !== null} />
          {unasked ? <NoPrompt model={model} /> : <Found hits={hits} about={shown} model={model} />}
        </>
      ) : null}
    </>
  );
}

interface WorkingProps {
  pending: boolean;
  hits: Analysis<Hits>;
  relations: Analysis<Relations>;
  ask: CorpusState['ask'];
}

function Working({ pending, hits, relations, ask }: WorkingProps) {
  if (pending) return <span className="status busy" data-busy="true" />;
  return ask === 'heads' ? (
    <Status kind="relations" analysis={relations} />
  ) : (
    <Status kind="corpus" analysis={hits} />
  );
}

interface FoundProps {
  hits: Analysis<Hits>;
  about: About;
  model: ModelInfo | null;
}

/** The list, what its tokens have in common, and the one that is looked at. */
function Found({ hits, about, model }: FoundProps) {
  const corpus = useCorpus();
  const { data } = hits;
  if (!data) return <div className="corpus-found" />;
  const causal = model?.kind === 'causal';
  const of = summedOf(corpus, about, corpus.ask === 'like', causal);
  const chosen = data.items.find(({ row }) => row === corpus.chosen) ?? null;
  return (
    <div className={`corpus-found ${hits.current ? '' : 'stale'}`} aria-busy={hits.busy}>
      <CorpusHits data={data} about={about} />
      <CorpusSummary data={data} about={about} of={of} causal={causal} />
      {chosen ? <ChosenHit hit={chosen} data={data} about={about} /> : null}
    </div>
  );
}
