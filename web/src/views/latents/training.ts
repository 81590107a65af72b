/** An autoencoder that is being trained: its files on their way, its estimate, its start, its end. */
import { useQuery } from '@tanstack/react-query';
import { create } from 'zustand';
import { answer, api, ApiError, type Schemas } from '../../shared/api/client';
import { followJob, newJobId } from '../../shared/api/jobs';
import { queryClient, type ModelInfo } from '../../shared/api/queries';
import { markOf, sendFiles, type Sent } from '../../shared/api/uploads';
import { furtherOf, type Further } from '../../shared/text/further';
import { setLatents, type LatentsState } from './latentsState';
import {
  asksColumn,
  nameOf,
  optionsOf,
  siteOf,
  sourceOf,
  type Estimate,
  type Unfinished,
} from './request';

const WATCH_MS = 1000;

interface Making {
  files: readonly File[];
  column: string;
  upload: string;
  sent: Sent;
  /** What runs now. */
  doing: 'sending' | 'estimating' | 'training' | 'attaching' | null;
  /** Bytes sent of those to send. */
  progress: readonly [sent: number, total: number];
  /** What it would take, and of which request. */
  estimate: { of: string; is: Estimate } | null;
  stopped: boolean;
  /** What was trained last, of this page. */
  made: string;
  error: ApiError | null;
  abort: AbortController | null;
}

const START: Making = {
  files: [],
  column: 'text',
  upload: '',
  sent: {},
  doing: null,
  progress: [0, 0],
  estimate: null,
  stopped: false,
  made: '',
  error: null,
  abort: null,
};

/** It outlives the view: files that are chosen and sent are there when one comes back. */
export const useMaking = create<Making>(() => START);

export function useSaes() {
  return useQuery({
    queryKey: ['saes'],
    staleTime: 0, // one may have been trained meanwhile
    queryFn: ({ signal }) => answer(api.GET('/api/sae', { signal })),
    refetchInterval: (query) => (query.state.data?.training ? WATCH_MS : false),
  });
}

export interface Asked {
  draft: LatentsState;
  model: ModelInfo;
  further: Further;
  corpora: readonly { name: string }[];
}

/** What an estimate depends on. */
export function keyOf({ draft, model, corpora }: Asked): string {
  const { files, column } = useMaking.getState();
  const source = sourceOf(draft, corpora, files, '');
  return JSON.stringify([
    siteOf(draft, model),
    optionsOf(draft),
    source,
    files.map(markOf),
    column,
  ]);
}

/** Sends what was not sent yet; asks what it would take. */
export async function estimateIt(asked: Asked): Promise<void> {
  await doing(async (signal) => {
    const body = await bodyOf(asked, signal);
    useMaking.setState({ doing: 'estimating' });
    const is = await followJob('estimate', signal, (job) =>
      answer(api.POST('/api/sae/estimate', { body: { ...body, job }, signal })),
    );
    useMaking.setState({ estimate: { of: keyOf(asked), is } });
  });
}

/** Sends what is missing, and trains. */
export async function trainIt(asked: Asked): Promise<void> {
  await doing(async (signal) => {
    const body = await bodyOf(asked, signal);
    const name = nameOf(asked.draft, asked.model);
    await train(name, (job) =>
      answer(api.POST('/api/sae/train', { body: { ...body, name, job } })),
    );
  });
}

/** Goes on with one that was stopped; of files it learns from the same ones, sent again. */
export async function resumeIt({ name, corpus }: Unfinished): Promise<void> {
  await doing(async (signal) => {
    const source = corpus === null ? await sentFiles(signal) : {};
    await train(name, (job) =>
      answer(api.POST('/api/sae/resume', { body: { name, ...source, job } })),
    );
  });
}

async function train(name: string, ask: (job: string) => Promise<unknown>): Promise<void> {
  useMaking.setState({ doing: 'training', made: '' });
  setLatents({ shown: '' });
  const trained = ask(newJobId());
  setTimeout(watch, WATCH_MS / 4); // by then it is told
  await trained;
  useMaking.setState({ ...START, made: name });
  setLatents({ shown: name });
}

function watch(): void {
  void queryClient.invalidateQueries({ queryKey: ['saes'] });
}

/** Its latents are nodes then: whatever was answered before is asked anew. */
export async function attachIt(name: string): Promise<void> {
  await doing(async () => {
    useMaking.setState({ doing: 'attaching' });
    await answer(api.POST('/api/sae/attach', { body: { name } }));
    await queryClient.invalidateQueries();
  });
}

export async function detachIt(stem: string): Promise<void> {
  await doing(async () => {
    useMaking.setState({ doing: 'attaching' });
    await answer(api.POST('/api/sae/detach', { body: { stem } }));
    await queryClient.invalidateQueries();
  });
}

/** A checkpoint is kept, as the server says. */
export function stopJob(job: string): void {
  void api.DELETE('/api/jobs/{job}', { params: { path: { job } } }).catch(() => undefined);
}

export function stopSending(): void {
  useMaking.getState().abort?.abort();
}

async function bodyOf(
  { draft, model, further, corpora }: Asked,
  signal: AbortSignal,
): Promise<Omit<Schemas['TrainEstimateRequest'], 'job'>> {
  const { files, column } = useMaking.getState();
  if (draft.source === 'files') await sentFiles(signal);
  return {
    ...furtherOf({ further }, 'sae_train'),
    ...optionsOf(draft),
    ...(asksColumn(draft, files) && column !== START.column ? { column } : {}),
    site: siteOf(draft, model),
    ...sourceOf(draft, corpora, files, useMaking.getState().upload),
  };
}

async function sentFiles(signal: AbortSignal): Promise<{ upload: string; files: string[] }> {
  const { files } = useMaking.getState();
  const upload = useMaking.getState().upload || newJobId();
  useMaking.setState({ upload, doing: 'sending' });
  await sendFiles(files, {
    upload,
    sent: useMaking.getState().sent,
    signal,
    onBytes: (sent, total) => useMaking.setState({ progress: [sent, total] }),
    onSent: (file) =>
      useMaking.setState(({ sent }) => ({ sent: { ...sent, [file.name]: markOf(file) } })),
  });
  return { upload, files: files.map(({ name }) => name) };
}

async function doing(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const abort = new AbortController();
  useMaking.setState({ error: null, stopped: false, abort });
  try {
    await work(abort.signal);
  } catch (failure) {
    const error = errorOf(failure);
    if (abort.signal.aborted || error.body.code === 'cancelled')
      useMaking.setState({ stopped: true });
    else if (error.body.field === 'files') useMaking.setState({ error, sent: {} });
    else useMaking.setState({ error });
  } finally {
    useMaking.setState({ doing: null, abort: null });
    watch();
  }
}

function errorOf(failure: unknown): ApiError {
  if (failure instanceof ApiError) return failure;
  const message = failure instanceof Error ? failure.message : String(failure);
  return new ApiError(0, { code: 'unexpected', message });
}
