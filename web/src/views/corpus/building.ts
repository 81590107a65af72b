/** A corpus that is being made: what is chosen for it, its files on their way, its estimate, its build. */
import { create } from 'zustand';
import { QUESTIONS } from '../../questions.gen';
import { answer, api, ApiError, type Schemas } from '../../shared/api/client';
import { followJob, newJobId } from '../../shared/api/jobs';
import { queryClient, type ModelInfo } from '../../shared/api/queries';
import { hasColumn, hasFields, markOf, sendFiles, type Sent } from '../../shared/api/uploads';
import { formatPositions, parsePositions } from '../../shared/text/edits';
import { furtherOf, furtherPython, type Further } from '../../shared/text/further';
import { optionsPython, quote } from '../../shared/text/options';
import { askCorpus } from './corpusState';
import { keptOf, type About } from './request';

const ASKED = QUESTIONS.corpus_build;
export const KEPT = ASKED.kept.choices;
export const SPLITS = ASKED.split.choices;
export const EXAMPLES = ASKED.examples.choices;
export const TOKENS = { least: ASKED.max_tokens.low, most: ASKED.max_tokens.high } as const;

export type Estimate = Schemas['CorpusEstimate'];
export type Unfinished = Schemas['UnfinishedCorpus'];

/** What a person fills in. */
export interface Draft {
  files: readonly File[];
  name: string;
  /** As ranges; nothing is all. */
  layers: string;
  kept: (typeof KEPT)[number];
  split: (typeof SPLITS)[number];
  /** Of which nodes examples are kept beside it. */
  examples: (typeof EXAMPLES)[number];
  maxTokens: number;
  /** "": none. */
  spacy: string;
  column: string;
  /** Fields of records that are kept beside texts, with commas; "": none. */
  metadata: string;
  /** Where vectors stand in object storage; "": on the server's disk, or where those are that are there. */
  tables: string;
  /** What becomes of a corpus of this name: it gets layers, or these files, or is replaced. */
  there: 'layers' | 'files' | 'replace';
}

interface Making {
  /** The draft was given what this model starts with. */
  begun: boolean;
  draft: Draft;
  /** Of the files that were sent. */
  upload: string;
  /** Which file went under each name. */
  sent: Sent;
  /** What runs now. */
  doing: 'sending' | 'estimating' | 'building' | null;
  /** Bytes sent of those to send. */
  progress: readonly [sent: number, total: number];
  /** What it would take, and of which request. */
  estimate: { of: string; is: Estimate } | null;
  /** The job of the build. */
  job: string | null;
  /** The last one that was begun here: what the server says of it is known already. */
  own: string | null;
  stopped: boolean;
  error: ApiError | null;
  abort: AbortController | null;
}

const EMPTY: Draft = {
  files: [],
  name: '',
  layers: '',
  kept: ASKED.kept.default,
  split: ASKED.split.default,
  examples: ASKED.examples.default,
  maxTokens: ASKED.max_tokens.default,
  spacy: '',
  column: ASKED.column.default,
  metadata: '',
  tables: '',
  there: 'layers',
};

const START: Making = {
  begun: false,
  draft: EMPTY,
  upload: '',
  sent: {},
  doing: null,
  progress: [0, 0],
  estimate: null,
  job: null,
  own: null,
  stopped: false,
  error: null,
  abort: null,
};

/** It outlives the view: files that are chosen and sent are there when one comes back. */
export const useMaking = create<Making>(() => START);

export function fill(patch: Partial<Draft>): void {
  useMaking.setState(({ draft }) => ({
    draft: { ...draft, ...patch },
    error: null,
    stopped: false,
  }));
}

/** What a corpus of this model starts with, once. */
export function begin(model: ModelInfo, pipelines: readonly string[]): void {
  if (useMaking.getState().begun) return;
  fill({ layers: someLayers(model.n_layers), spacy: pipelines[0] ?? '' });
  useMaking.setState({ begun: true });
}

// ------------------------------------------------------------------ what is filled in

/** The first of the files gives the corpus its name. */
export function withFiles(draft: Draft, files: readonly File[]): Partial<Draft> {
  return { files, name: draft.name || nameOf(files[0]?.name ?? '') };
}

/** "My texts (2).txt" is called "My-texts-2". */
export function nameOf(file: string): string {
  return file
    .replace(/\.[^.]*$/, '')
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replaceAll(/^[^A-Za-z0-9]+|[-._]+$/g, '')
    .slice(0, 64);
}

/** The layer in the middle and the last: what there is to say of texts, and of what comes next. */
export function someLayers(n: number): string {
  return formatPositions([...new Set([Math.floor(n / 2), n - 1])]);
}

/** Null: all; undefined: nothing that can be read. */
export function layersIn(written: string, n: number): number[] | null | undefined {
  if (written.trim() === '') return null;
  const found = parsePositions(written);
  return Array.isArray(found) && found.every((layer) => layer >= 0 && layer < n)
    ? found
    : undefined;
}

/** What is wrong with it; null: it can be asked. */
export function lackOf(
  draft: Draft,
  model: ModelInfo,
  unsplit: readonly number[] = [],
): string | null {
  if (draft.files.length === 0) return 'Choose the files that it is made of.';
  if (!/^[A-Za-z0-9][\w.-]{0,63}$/.test(draft.name))
    return 'A name has up to 64 of A–Z a–z 0–9 . _ -, a letter or digit first.';
  const layers = layersIn(draft.layers, model.n_layers);
  if (layers === undefined) return `Layers are 0–${model.n_layers - 1}, as 0, 4 or 2-5.`;
  const all = layers === null && draft.there !== 'files'; // files are read for the layers there are
  const mixed = unsplit.filter((layer) => all || layers?.includes(layer));
  if ((draft.examples === 'heads' || draft.examples === 'both') && mixed.length > 0)
    return `No examples of heads can be kept in ${mixed.length === 1 ? 'layer' : 'layers'} ${formatPositions(mixed)}: a norm before the output map mixes what heads write.`;
  if (draft.maxTokens < TOKENS.least || draft.maxTokens > TOKENS.most)
    return `The longest sentence has ${TOKENS.least} to ${TOKENS.most} tokens.`;
  if (draft.tables.trim() !== '' && !/^(s3|gs|az):\/\/[\w.-]/.test(draft.tables.trim()))
    return 'Vectors stand in object storage at s3://, gs:// or az://, a bucket and a folder.';
  return null;
}

/** The options of the question; what is as at the start is left out. */
export function optionsOf(draft: Draft, model: ModelInfo) {
  const layers = layersIn(draft.layers, model.n_layers);
  return {
    ...(layers ? { layers } : {}),
    ...(draft.kept === EMPTY.kept ? {} : { kept: draft.kept }),
    ...(draft.split === EMPTY.split ? {} : { split: draft.split }),
    ...(draft.examples === EMPTY.examples ? {} : { examples: draft.examples }),
    ...(draft.maxTokens === EMPTY.maxTokens ? {} : { max_tokens: draft.maxTokens }),
    ...(draft.spacy === '' ? {} : { spacy: draft.spacy }),
    ...(hasColumn(draft.files) && draft.column !== EMPTY.column ? { column: draft.column } : {}),
    ...(fieldsIn(draft).length === 0 ? {} : { metadata: fieldsIn(draft) }),
    ...(draft.tables.trim() === '' ? {} : { tables: draft.tables.trim() }),
    ...(draft.there === 'files' ? { add: true } : {}),
  };
}

/** The fields that are kept of each record. */
function fieldsIn({ files, metadata }: Draft): string[] {
  const names = metadata.split(',').map((name) => name.trim());
  return hasFields(files) ? [...new Set(names)].filter(Boolean) : [];
}

/** Files that are added are read as the others were: what is known of that is filled in. */
export function addTo(about: About): void {
  const kept = keptOf(about).map(({ by }) => by);
  fill({
    there: 'files',
    tables: '',
    layers: '',
    kept: kept.includes('hidden') ? (kept.includes('context') ? 'both' : 'hidden') : 'context',
    split: about.split,
    spacy: about.spacy.split(' ')[0] ?? '',
    metadata: about.metadata.join(', '),
  });
}

/** The same in Python, of files that lie where it runs. */
export function draftPython(spec: { further: Further }, model: ModelInfo): string[] {
  const { draft } = useMaking.getState();
  const files = draft.files.map(({ name }) => quote(name)).join(', ');
  const options = [
    ...optionsPython({ ...optionsOf(draft, model), ...replacing(draft) }),
    ...furtherPython(spec, 'corpus_build'),
  ];
  const given = [`[${files}]`, quote(draft.name), ...options].join(', ');
  return [`corpus = ue.index_corpus(model, ${given})`, 'print(corpus.about)'];
}

/** What an estimate depends on. */
export function keyOf(draft: Draft, model: ModelInfo): string {
  return JSON.stringify([draft.files.map(markOf), optionsOf(draft, model)]);
}

/** Options of a build that was stopped: it goes on with the same ones. */
export function takeUp(left: Unfinished): void {
  const { name, split, max_tokens: maxTokens, spacy, column, metadata } = left;
  fill({ name, split, maxTokens, spacy: spacy ?? '', column, metadata: metadata.join(', ') });
}

// ------------------------------------------------------------------ what is done

/** Sends what was not sent yet; asks what it would take. */
export async function estimateIt(spec: { further: Further }, model: ModelInfo): Promise<void> {
  await doing('sending', async (signal) => {
    const { draft } = useMaking.getState();
    const upload = await send(draft.files, signal);
    useMaking.setState({ doing: 'estimating' });
    const is = await followJob('estimate', signal, (job) =>
      answer(
        api.POST('/api/corpus/estimate', {
          body: { ...bodyOf(spec, draft, model, upload), job },
          signal,
        }),
      ),
    );
    useMaking.setState({ estimate: { of: keyOf(draft, model), is } });
  });
}

/** Sends what is missing, and builds; the corpus is then asked. */
export async function buildIt(spec: { further: Further }, model: ModelInfo): Promise<void> {
  await doing('sending', async (signal) => {
    const { draft } = useMaking.getState();
    const upload = await send(draft.files, signal);
    const job = newJobId();
    useMaking.setState({ doing: 'building', job, own: job });
    void queryClient.invalidateQueries({ queryKey: ['corpora'] });
    const body = {
      ...bodyOf(spec, draft, model, upload),
      name: draft.name,
      ...replacing(draft),
      job,
    };
    const made = await answer(api.POST('/api/corpus/build', { body }));
    useMaking.setState({ ...START, own: job });
    await queryClient.invalidateQueries({ queryKey: ['corpora'] });
    askCorpus({
      name: made.name,
      ask: 'like',
      layer: null,
      file: [],
      metadata: [],
      through: false,
    });
  });
}

function replacing({ there }: Draft): { restart?: true } {
  return there === 'replace' ? { restart: true } : {};
}

function bodyOf(spec: { further: Further }, draft: Draft, model: ModelInfo, upload: string) {
  const files = draft.files.map(({ name }) => name);
  return { ...furtherOf(spec, 'corpus_build'), ...optionsOf(draft, model), upload, files };
}

/** What was finished is kept, as the server says. */
export function stop(): void {
  const { doing: now, job, abort } = useMaking.getState();
  if (now === 'building' && job !== null) stopJob(job);
  else abort?.abort();
}

export function stopJob(job: string): void {
  void api.DELETE('/api/jobs/{job}', { params: { path: { job } } }).catch(() => undefined);
}

async function doing(
  first: NonNullable<Making['doing']>,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const abort = new AbortController();
  useMaking.setState({ doing: first, error: null, stopped: false, abort });
  try {
    await work(abort.signal);
  } catch (failure) {
    if (abort.signal.aborted) useMaking.setState({ stopped: true });
    else if (failure instanceof ApiError && failure.body.code === 'cancelled')
      useMaking.setState({ stopped: true });
    else useMaking.setState({ error: errorOf(failure), sent: sentAfter(failure) });
  } finally {
    useMaking.setState({ doing: null, job: null, abort: null });
    void queryClient.invalidateQueries({ queryKey: ['corpora'] });
  }
}

/** In the words of the form: what Python calls add and restart is chosen under "It gets" here. */
export function errorOf(failure: unknown): ApiError {
  if (failure instanceof ApiError) {
    const { field, fix } = failure.body;
    if (field !== 'name' || !fix?.includes('--restart')) return failure;
    const own = 'Choose another name; or, under “It gets”, files to add to it, or all anew.';
    return new ApiError(failure.status, { ...failure.body, fix: own });
  }
  const message = failure instanceof Error ? failure.message : String(failure);
  return new ApiError(0, { code: 'unexpected', message });
}

/** Files that the server has no more are sent once more the next time. */
function sentAfter(failure: unknown): Making['sent'] {
  const lost = failure instanceof ApiError && failure.body.field === 'files';
  return lost ? {} : useMaking.getState().sent;
}

/** The name that files are sent under. */
async function send(files: readonly File[], signal: AbortSignal): Promise<string> {
  const upload = useMaking.getState().upload || newJobId();
  useMaking.setState({ upload });
  await sendFiles(files, {
    upload,
    sent: useMaking.getState().sent,
    signal,
    onBytes: (sent, total) => useMaking.setState({ progress: [sent, total] }),
    onSent: (file) =>
      useMaking.setState(({ sent }) => ({ sent: { ...sent, [file.name]: markOf(file) } })),
  });
  return upload;
}
