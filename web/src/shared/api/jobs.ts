/** Work in progress: each kind of request has one job at a time, followed once it takes long. */
import { create } from 'zustand';
import { api, jobUrl, type Schemas } from './client';

export type JobKind =
  | 'predictions'
  | 'labels'
  | 'lens'
  | 'attention'
  | 'preview'
  | 'heads'
  | 'thumbnails'
  | 'component'
  | 'component-text'
  | 'acting'
  | 'attribute'
  | 'attribute-beside'
  | 'written'
  | 'trace'
  | 'patch'
  | 'patch-pairs'
  | 'circuit'
  | 'circuit-curve'
  | 'circuit-edge'
  | 'graph'
  | 'graph-edge'
  | 'generate'
  | 'updates'
  | 'flow'
  | 'hits'
  | 'vector'
  | 'clusters'
  | 'cluster'
  | 'corpus'
  | 'examples'
  | 'relations'
  | 'estimate'
  | 'corpus_build'
  | 'sae_train'
  | 'explain'
  | 'build';
export type JobEvent = Schemas['JobEvent'];

interface Job {
  id: string;
  event: JobEvent | null;
}

const FOLLOW_AFTER_MS = 300;

export const useJobs = create<Partial<Record<JobKind, Job>>>(() => ({}));

/** Runs `ask` under a fresh job name; its progress is in useJobs until it ends. */
export async function followJob<Data>(
  kind: JobKind,
  signal: AbortSignal,
  ask: (job: string) => Promise<Data>,
): Promise<Data> {
  const id = newJobId();
  let events: EventSource | null = null;
  const timer = setTimeout(() => {
    events = listen(kind, id);
  }, FOLLOW_AFTER_MS);
  const end = () => {
    clearTimeout(timer);
    events?.close();
    if (useJobs.getState()[kind]?.id === id) useJobs.setState({ [kind]: undefined });
  };
  useJobs.setState({ [kind]: { id, event: null } });
  signal.addEventListener('abort', end, { once: true });
  try {
    return await ask(id);
  } finally {
    signal.removeEventListener('abort', end);
    end();
  }
}

/** Follows work that this page did not start; the function returned stops following. */
export function watchJob(kind: JobKind, id: string): () => void {
  useJobs.setState({ [kind]: { id, event: null } });
  const events = listen(kind, id);
  return () => {
    events.close();
    if (useJobs.getState()[kind]?.id === id) useJobs.setState({ [kind]: undefined });
  };
}

function listen(kind: JobKind, id: string): EventSource {
  const events = new EventSource(jobUrl(id));
  events.addEventListener('state', (message) => {
    const event = JSON.parse((message as MessageEvent<string>).data) as JobEvent;
    if (useJobs.getState()[kind]?.id === id) useJobs.setState({ [kind]: { id, event } });
    if (event.state === 'done' || event.state === 'cancelled' || event.state === 'failed')
      events.close();
  });
  // The work itself goes on without its progress; the browser must not reconnect for ever.
  events.addEventListener('error', () => events.close());
  return events;
}

/** Asks the server to stop the job of a kind. The caller aborts the request as well. */
export function cancelJob(kind: JobKind): void {
  const job = useJobs.getState()[kind];
  if (job)
    void api
      .DELETE('/api/jobs/{job}', { params: { path: { job: job.id } } })
      .catch(() => undefined);
}

/** Not randomUUID, which a page served over plain http from another host does not have. */
export function newJobId(): string {
  return [...crypto.getRandomValues(new Uint8Array(12))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('');
}
