/** The graph as hooks, and one edge of it that is measured. */
import { create } from 'zustand';
import { api, timedAnswer, type Schemas } from '../../shared/api/client';
import { useAnalysis, type Analysis } from '../../shared/api/queries';
import { askedOf, isAsked } from '../../shared/text/chat';
import type { Spec } from '../../shared/text/url';
import { graphBody, isNodeName } from './graphState';

export type GraphAnswer = Schemas['AttributionGraph'];
export type EdgeAnswer = Schemas['MeasuredEdge'];

/** A graph as it is asked for, made or estimated. */
export interface GraphAsked {
  key: readonly unknown[];
  body: Omit<Schemas['GraphRequest'], 'job'>;
  /** There is something to ask. */
  asks: boolean;
}

/** Edits are no part of it: the prompt is run as it is. */
export function graphAsked(spec: Spec, position: number | null): GraphAsked {
  const asked = askedOf(spec);
  const options = {
    ...graphBody(spec.graph),
    target: spec.target || null,
    distractor: spec.distractor || null,
  };
  return {
    key: [asked, position, options],
    body: { ...asked, position: position ?? -1, ...options } as GraphAsked['body'],
    asks: isAsked(spec) && position !== null,
  };
}

export function useGraph({ key, body, asks }: GraphAsked, enabled: boolean) {
  return useAnalysis('graph', [...key], enabled && asks, (job, signal) =>
    timedAnswer(
      api.POST('/api/graph', { body: { ...body, job } as Schemas['GraphRequest'], signal }),
    ),
  );
}

/** The ends of an edge that can be measured; null: it starts or ends at a group. */
export function measurable(id: string): [sender: string, receiver: string] | null {
  const [sender, receiver] = id.split('>');
  if (sender === undefined || receiver === undefined) return null;
  return isNodeName(sender) && isNodeName(receiver) ? [sender, receiver] : null;
}

/** What the target loses without the source, all else held, and in the model as it is. */
export function useMeasuredEdge(
  spec: Spec,
  id: string | null,
  enabled: boolean,
): Analysis<EdgeAnswer> {
  const asked = askedOf(spec);
  const ends = id === null ? null : measurable(id);
  // Any other end says by itself what it is.
  const sum = ends?.[1].startsWith('logit@') ?? false;
  const target = sum ? { target: spec.target || null, distractor: spec.distractor || null } : {};
  return useAnalysis('graph-edge', [asked, ends, target], enabled && ends !== null, (job, signal) =>
    timedAnswer(
      api.POST('/api/graph/edge', {
        body: {
          ...asked,
          sender: ends?.[0] ?? '',
          receiver: ends?.[1] ?? '',
          ...target,
          job,
        } as Schemas['EdgeRequest'],
        signal,
      }),
    ),
  );
}

/** A graph of a file, in place of the prompt's. */
export interface Opened {
  file: string;
  graph: GraphAnswer;
  /** It was written here, and says its scores. */
  own: boolean;
}

export const useOpened = create<{ opened: Opened | null }>(() => ({ opened: null }));
