/** The server, typed by its schema; every failure is an ApiError that says what would mend it. */
import createClient from 'openapi-fetch';
import type { components, paths } from '../../api.gen';

export type Schemas = components['schemas'];

const base = new URL('.', document.baseURI).href.replace(/\/$/, '');

export const api = createClient<paths>({ baseUrl: base, credentials: 'same-origin' });

export function jobUrl(job: string): string {
  return `${base}/api/jobs/${job}/events`;
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly body: Schemas['ErrorBody'],
  ) {
    super(body.message);
  }

  get refused(): boolean {
    return this.status === 401 || (this.status === 403 && this.body.code === 'refused');
  }
}

type Request<Data> = Promise<{ data?: Data; error?: unknown; response: Response }>;

/** What an answer took: in its headers, so that equal requests have equal bodies. */
export interface Timing {
  seconds: number | null;
  cached: boolean;
}

export interface Timed<Data> {
  data: Data;
  timing: Timing;
}

/** The data of an answer, or an ApiError; network failures become one too, aborts stay aborts. */
export async function answer<Data>(request: Request<Data>): Promise<Data> {
  return (await timedAnswer(request)).data;
}

export async function timedAnswer<Data>(request: Request<Data>): Promise<Timed<Data>> {
  let result: Awaited<typeof request>;
  try {
    result = await request;
  } catch (failure) {
    if (failure instanceof DOMException && failure.name === 'AbortError') throw failure;
    throw new ApiError(0, {
      code: 'unreachable',
      message: 'The server does not answer.',
      fix: 'Is it still running? Start it again and press Retry; this page keeps its state.',
    });
  }
  if (result.response.ok)
    return { data: result.data as Data, timing: readTiming(result.response.headers) };
  throw new ApiError(result.response.status, readBody(result.error, result.response));
}

function readTiming(headers: Headers): Timing {
  const found = /compute;dur=([\d.]+)/.exec(headers.get('server-timing') ?? '');
  return {
    seconds: found ? Number(found[1]) / 1000 : null,
    cached: headers.get('x-unembed-cached') === 'true',
  };
}

function readBody(error: unknown, response: Response): Schemas['ErrorBody'] {
  const body = typeof error === 'object' && error !== null && 'error' in error ? error.error : null;
  if (typeof body === 'object' && body !== null && 'message' in body)
    return sentence(body as Schemas['ErrorBody']);
  return { code: 'error', message: `The server answered ${response.status} and did not say why.` };
}

/** The library's messages begin in lower case, as Python's do; on a page they are sentences. */
function sentence(body: Schemas['ErrorBody']): Schemas['ErrorBody'] {
  const message = /^[a-z]+[ ,:]/.test(body.message)
    ? body.message.charAt(0).toUpperCase() + body.message.slice(1)
    : body.message;
  return { ...body, message: /[.!?]$/.test(message) ? message : `${message}.` };
}

/** Where the problem sits, for the control that can mend it: "prompt", "edits[2].target" ... */
export function problemAt(error: unknown, field: string): string | null {
  if (!(error instanceof ApiError)) return null;
  const at = error.body.field ?? '';
  return at === field || at.startsWith(`${field}.`) || at.startsWith(`${field}[`)
    ? error.message
    : null;
}
