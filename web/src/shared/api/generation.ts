/** Continuations, token by token as the server makes them. */
import { create } from 'zustand';
import { askedOf, isAsked } from '../text/chat';
import { furtherOf } from '../text/further';
import { eventReader, type ServerEvent } from '../text/sse';
import type { Generation, Spec } from '../text/url';
import { api, ApiError, timedAnswer, type Schemas, type Timed } from './client';
import { useAnalysis, wireEdits, type Analysis } from './queries';

/** A token that was made, and how likely it was. */
export interface Made {
  token: Schemas['Token'];
  probability: number;
}

export interface Continued {
  baseline: Made[];
  edited: Made[] | null;
  /** Null while it still grows. */
  texts: { baseline: string; edited: string | null } | null;
}

interface Growing {
  /** The question that it answers. */
  question: string;
  made: Continued;
}

const useGrowing = create<{ growing: Growing | null }>(() => ({ growing: null }));

export interface GenerationAnalysis extends Analysis<Continued> {
  /** What there is of the answer to the present question: all of it, or as far as it got. */
  grown: Continued | null;
}

export function useGeneration(spec: Spec, generation: Generation): GenerationAnalysis {
  const { edits } = spec;
  const asked = askedOf(spec);
  const further = furtherOf(spec, 'generate');
  const question = JSON.stringify([asked, edits, generation, further]);
  const analysis = useAnalysis(
    'generate',
    [asked, edits, generation, further],
    isAsked(spec),
    (job, signal) => stream(question, requestOf(spec, generation, job), signal),
  );
  const growing = useGrowing((state) => state.growing);
  const partial = growing?.question === question ? growing.made : null;
  return { ...analysis, grown: analysis.current ? analysis.data : partial };
}

function requestOf(spec: Spec, generation: Generation, job: string): Schemas['GenerateRequest'] {
  return {
    ...furtherOf(spec, 'generate'),
    ...askedOf(spec),
    edits: wireEdits(spec.edits),
    max_new_tokens: generation.tokens,
    temperature: generation.temperature,
    seed: generation.seed,
    job,
  };
}

async function stream(
  question: string,
  body: Schemas['GenerateRequest'],
  signal: AbortSignal,
): Promise<Timed<Continued>> {
  const { data, timing } = await timedAnswer(
    api.POST('/api/generate/stream', { body, parseAs: 'stream', signal }),
  );
  let made: Continued = {
    baseline: [],
    edited: body.edits?.some((edit) => edit.enabled ?? true) ? [] : null,
    texts: null,
  };
  useGrowing.setState({ growing: { question, made } });
  for await (const event of eventsOf(data as ReadableStream<Uint8Array>)) {
    made = grow(made, event);
    useGrowing.setState({ growing: { question, made } });
  }
  if (!made.texts) throw cutOff();
  return { data: made, timing };
}

async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const read = eventReader();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield* read(decoder.decode(value, { stream: true }));
  }
}

function grow(made: Continued, event: ServerEvent): Continued {
  const data: unknown = JSON.parse(event.data);
  if (event.name === 'token') {
    const { side, token, probability } = data as Schemas['GenerateToken'];
    return { ...made, [side]: [...(made[side] ?? []), { token, probability }] };
  }
  if (event.name === 'end') {
    const end = data as Schemas['GenerationComparison'];
    const texts = { baseline: end.baseline.text, edited: end.edited?.text ?? null };
    return { ...made, texts };
  }
  if (event.name === 'error') throw new ApiError(500, data as Schemas['ErrorBody']);
  return made;
}

function cutOff(): ApiError {
  return new ApiError(0, {
    code: 'unreachable',
    message: 'The answer ended before it was complete.',
    fix: 'Is the server still running? Press Retry.',
  });
}
