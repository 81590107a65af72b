/** A corpus of files that a person chooses: what it is made of, what it will take, how far it is. */
import { useEffect } from 'react';
import { bytes, count, duration } from '../../draw/format';
import { useCorpora, type Corpora } from '../../shared/api/corpora';
import { hasColumn, hasFields } from '../../shared/api/uploads';
import { useJobs, watchJob } from '../../shared/api/jobs';
import type { ModelInfo } from '../../shared/api/queries';
import { ErrorNote } from '../../shared/parts/ErrorNote';
import { ChooseFiles, Preparing, Row } from '../../shared/parts/Making';
import { useFocusIfLost } from '../../shared/parts/useFocusIfLost';
import { Segments } from '../../shared/parts/parts';
import { useSpec } from '../../shared/state/store';
import {
  addTo,
  begin,
  buildIt,
  estimateIt,
  fill,
  keyOf,
  lackOf,
  EXAMPLES,
  SPLITS,
  stop,
  stopJob,
  takeUp,
  TOKENS,
  useMaking,
  withFiles,
  type Draft,
} from './building';
import type { About } from './request';
import './build.css';

const KEEPS = [
  ['both', 'both', 'States and contexts: tokens can be looked for by either'],
  ['hidden', 'hidden states', 'The residual stream behind each layer'],
  ['context', 'contexts', 'What each head read: z, before W_O'],
] as const;
const EXAMPLES_SAY: Readonly<Record<Draft['examples'], string>> = {
  none: 'none: found when asked for',
  neurons: 'of every neuron',
  heads: 'of every head',
  both: 'of every neuron and head',
};
const SPLIT_SAYS: Readonly<Record<Draft['split'], string>> = {
  sentences: 'sentences',
  lines: 'lines: each is one',
  windows: 'stretches of the longest length',
};

export function BuildCorpus({ model }: { model: ModelInfo }) {
  const corpora = useCorpora().data ?? null;
  const { doing, own } = useMaking();
  if (corpora === null) return null;
  if (corpora.reason !== null)
    return (
      <section className="corpus-build" data-testid="corpus-impossible">
        <h2>No corpus of this model can be built</h2>
        <p>{corpora.reason}</p>
      </section>
    );
  const elsewhere = doing === null && corpora.building?.job !== own ? corpora.building : null;
  return (
    <section className="corpus-build" data-testid="corpus-build">
      <h2>Build a corpus</h2>
      <p className="faint">
        The files are sent to this server, read as the model reads them, and forgotten. What is kept
        stays with the server, for this model.
      </p>
      {elsewhere ? (
        <>
          <p>
            <span className="mono">{elsewhere.name}</span> is being built.
          </p>
          <Progress job={elsewhere.job} cancel={() => stopJob(elsewhere.job)} />
        </>
      ) : (
        <Form model={model} corpora={corpora} />
      )}
    </section>
  );
}

function Form({ model, corpora }: { model: ModelInfo; corpora: Corpora }) {
  const { draft, doing } = useMaking();
  useEffect(() => begin(model, corpora.pipelines), [model, corpora]);
  const there = corpora.items.find(({ name }) => name === draft.name);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
      }}
    >
      <fieldset className="making-fields" disabled={doing !== null}>
        <legend className="visually-hidden">What it is made of</legend>
        <ChooseFiles
          files={draft.files}
          testid="build-files"
          says="text, .jsonl, .csv, .parquet, .conllu"
          onFiles={(files) => fill(withFiles(draft, files))}
        />
        <Row label="Name">
          <input
            className="mono"
            data-testid="build-name"
            maxLength={64}
            autoComplete="off"
            spellCheck={false}
            value={draft.name}
            onChange={(event) => fill({ name: event.target.value, there: 'layers' })}
          />
        </Row>
        {there ? <There draft={draft} about={there} /> : null}
        <Row label="Layers" note={`0–${model.n_layers - 1}, as 0, 4 or 2-5; nothing is all`}>
          <input
            className="mono"
            data-testid="build-layers"
            autoComplete="off"
            placeholder="all"
            value={draft.layers}
            onChange={(event) => fill({ layers: event.target.value })}
          />
        </Row>
        <div className="making-field">
          <span>Kept</span>
          <Segments
            name="build-kept"
            label="What is kept of every token"
            value={draft.kept}
            options={KEEPS}
            onChange={(kept: Draft['kept']) => fill({ kept })}
          />
        </div>
        <Labels draft={draft} pipelines={corpora.pipelines} />
        <Row label="Cut into">
          <select
            data-testid="build-split"
            value={draft.split}
            onChange={(event) => fill({ split: event.target.value as Draft['split'] })}
          >
            {SPLITS.map((split) => (
              <option key={split} value={split}>
                {SPLIT_SAYS[split]}
              </option>
            ))}
          </select>
        </Row>
        <Row label="Examples" note="strongest tokens, for component pages; one more pass">
          <select
            data-testid="build-examples"
            value={draft.examples}
            onChange={(event) => fill({ examples: event.target.value as Draft['examples'] })}
          >
            {EXAMPLES.map((examples) => (
              <option key={examples} value={examples}>
                {EXAMPLES_SAY[examples]}
              </option>
            ))}
          </select>
        </Row>
        <Row label="Longest" note="tokens; longer sentences are cut between words">
          <input
            className="mono"
            type="number"
            min={TOKENS.least}
            max={TOKENS.most}
            data-testid="build-longest"
            value={draft.maxTokens}
            onChange={(event) => fill({ maxTokens: Number(event.target.value) })}
          />
        </Row>
        {hasColumn(draft.files) ? (
          <Row label="Column" note="where the text is">
            <input
              className="mono"
              data-testid="build-column"
              maxLength={64}
              autoComplete="off"
              value={draft.column}
              onChange={(event) => fill({ column: event.target.value })}
            />
          </Row>
        ) : null}
        {hasFields(draft.files) ? (
          <Row label="Fields" note="kept beside each text, to filter by">
            <input
              className="mono"
              data-testid="build-metadata"
              maxLength={2000}
              autoComplete="off"
              spellCheck={false}
              placeholder="author, meta.year"
              value={draft.metadata}
              onChange={(event) => fill({ metadata: event.target.value })}
            />
          </Row>
        ) : null}
        <Row
          label="Vectors"
          note={
            there && draft.there !== 'replace'
              ? 'where its others stand'
              : 'the server’s disk, or a bucket that it has credentials for'
          }
        >
          <input
            className="mono"
            data-testid="build-tables"
            maxLength={1000}
            autoComplete="off"
            spellCheck={false}
            placeholder="s3://bucket/folder"
            value={draft.tables}
            onChange={(event) => fill({ tables: event.target.value })}
          />
        </Row>
      </fieldset>
      <Unfinished corpora={corpora} />
      <Actions model={model} unsplit={corpora.unsplit} />
    </form>
  );
}

const THERE = [
  ['layers', 'layers', 'Of the same files and settings; what is there is kept'],
  ['files', 'files', 'Files that it does not have yet, read as the others were'],
  ['replace', 'all anew', 'What is there is replaced'],
] as const;
const THERE_SAYS: Readonly<Record<Draft['there'], string>> = {
  layers: 'from the same files and settings',
  files: 'read as its others were, for the same layers',
  replace: 'what is there is replaced',
};

/** What becomes of the corpus that has this name. */
function There({ draft, about }: { draft: Draft; about: About }) {
  return (
    <div className="making-field">
      <span>It gets</span>
      <Segments
        name="build-there"
        label="What the corpus of this name gets"
        value={draft.there}
        options={THERE}
        onChange={(there: Draft['there']) => {
          if (there === 'files') addTo(about);
          else fill({ there });
        }}
      />
      <span className="faint">{THERE_SAYS[draft.there]}</span>
    </div>
  );
}

function Labels({ draft, pipelines }: { draft: Draft; pipelines: readonly string[] }) {
  const known = draft.spacy === '' || pipelines.includes(draft.spacy);
  return (
    <Row
      label="Labels"
      note={
        pipelines.length === 0
          ? 'no spaCy pipeline is installed where the server runs: words have no labels, but those of .conllu'
          : 'part of speech, dependency, entity, lemma; .conllu has its own'
      }
    >
      <select
        className="mono"
        data-testid="build-spacy"
        value={draft.spacy}
        onChange={(event) => fill({ spacy: event.target.value })}
      >
        <option value="">none</option>
        {[...pipelines, ...(known ? [] : [draft.spacy])].map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </Row>
  );
}

/** Builds that were stopped: they go on with the same files. */
function Unfinished({ corpora }: { corpora: Corpora }) {
  const { draft, doing } = useMaking();
  const left = corpora.unfinished.filter(
    ({ name }) => name !== draft.name || draft.files.length === 0,
  );
  if (left.length === 0 || doing !== null) return null;
  return (
    <ul className="making-left" data-testid="corpus-unfinished">
      {left.map((one) => (
        <li key={one.name}>
          <span className="mono">{one.name}</span> was begun, of {one.files.join(', ')}: choose the
          same files, and it goes on where it stopped.{' '}
          <button type="button" className="link" onClick={() => takeUp(one)}>
            Take its settings
          </button>
        </li>
      ))}
    </ul>
  );
}

// ------------------------------------------------------------------ what it takes, how far it is

function Actions({ model, unsplit }: { model: ModelInfo; unsplit: readonly number[] }) {
  const spec = useSpec();
  const { draft, doing, progress, estimate, job, stopped, error } = useMaking();
  const lack = lackOf(draft, model, unsplit);
  const known = estimate?.of === keyOf(draft, model) ? estimate.is : null;
  const build = () => void buildIt(spec, model);
  const ask = () => void estimateIt(spec, model);
  const place = useFocusIfLost<HTMLParagraphElement>(stopped || known !== null);
  if (doing === 'building') return <Progress job={job} cancel={stop} />;
  if (doing !== null)
    return (
      <Preparing
        doing={doing}
        progress={progress}
        says="building samples of them for a few seconds"
        testid="corpus-sending"
        onCancel={stop}
      />
    );
  return (
    <>
      {known?.tokens === 0 ? (
        <p data-testid="corpus-estimate">There is no text in these files.</p>
      ) : null}
      {known && known.tokens > 0 ? (
        <p data-testid="corpus-estimate">
          About <span className="number">{known.tokens.toLocaleString('en')}</span> tokens ·{' '}
          <span className="number">{duration(known.seconds)}</span> ·{' '}
          <span className="number">{bytes(known.bytes)}</span> on disk
          <span className="faint">
            {' '}
            · {Math.round(known.tokens_per_second).toLocaleString('en')} tokens a second, measured
            on samples now
          </span>
        </p>
      ) : null}
      <p className="making-actions" ref={place} tabIndex={-1}>
        <button
          type="button"
          className={known || stopped ? '' : 'primary'}
          disabled={lack !== null}
          data-testid="estimate-corpus"
          onClick={ask}
        >
          {known ? 'Estimate anew' : 'What will it take?'}
        </button>
        <button
          type="button"
          className={known || stopped ? 'primary' : ''}
          disabled={lack !== null}
          data-testid="build-corpus"
          onClick={build}
        >
          {stopped ? 'Go on' : 'Build it'}
        </button>
        <span className="faint" data-testid="corpus-lack">
          {lack ?? (stopped ? 'Stopped. What was finished is kept, and built upon.' : null)}
        </span>
      </p>
      <ErrorNote error={error} retry={known ? build : ask} stale={false} />
    </>
  );
}

function Progress({ job, cancel }: { job: string | null; cancel: () => void }) {
  useEffect(() => (job === null ? undefined : watchJob('corpus_build', job)), [job]);
  const event = useJobs((state) => state.corpus_build?.event ?? null);
  const known = event !== null && event.total > 0 && event.state === 'running';
  const seconds = event?.seconds_left ?? null;
  const place = useFocusIfLost<HTMLDivElement>();
  return (
    <div
      ref={place}
      tabIndex={-1}
      className="build-progress"
      role="status"
      data-testid="corpus-progress"
      data-busy="true"
    >
      <progress
        aria-label="Building the corpus"
        className="status-line"
        {...(known ? { value: event.done, max: event.total } : {})}
      />
      <span>
        {known
          ? `${count(event.done, 'token')} of about ${event.total.toLocaleString('en')}, ${event.stage}`
          : 'starting'}
        {seconds === null ? '' : ` · ${duration(seconds)} left`}
      </span>
      <button type="button" className="link" data-testid="cancel-corpus" onClick={cancel}>
        Cancel
      </button>
      <p className="faint">
        Other questions are answered in between. What is done is kept: the same files and settings
        go on after it.
      </p>
    </div>
  );
}
