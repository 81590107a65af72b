/** What a graph will take, asked before it is; a long one waits until it is told to start. */
import { useEffect, useState } from 'react';
import { create } from 'zustand';
import { bytes, count, duration } from '../../draw/format';
import { api, timedAnswer, type Schemas } from '../../shared/api/client';
import { useAnalysis, type Analysis } from '../../shared/api/queries';
import type { GraphAsked } from './query';

export type GraphEstimate = Schemas['GraphEstimate'];

/** A graph that takes longer, or has no room, is not begun by itself. */
export const AT_ONCE_SECONDS = 10;
const REST_MS = 250;

/** The key of the graph that was told to start. */
const useStarted = create<{ key: string | null }>(() => ({ key: null }));

export interface Cost extends Analysis<GraphEstimate> {
  /** Of the graph that is asked for now; null until it is known. */
  known: GraphEstimate | null;
  /** The graph is to be made. */
  begun: boolean;
  start: () => void;
}

/** Asked once changes have come to rest; a newer one stops the older. */
export function useCost({ key, body }: GraphAsked, enabled: boolean): Cost {
  const name = JSON.stringify(key);
  const rested = useRested(name);
  const started = useStarted((state) => state.key) === name;
  const analysis = useAnalysis<GraphEstimate>(
    'estimate',
    ['graph', ...key],
    enabled && rested,
    (job, signal) =>
      timedAnswer(
        api.POST('/api/graph/estimate', {
          body: { ...body, job } as Schemas['GraphRequest'],
          signal,
        }),
      ),
  );
  const known = analysis.current ? analysis.data : null;
  return {
    ...analysis,
    known,
    begun: started || (known !== null && isShort(known)),
    start: () => useStarted.setState({ key: name }),
  };
}

/** It is begun without being told to. */
export function isShort({ seconds, lack }: GraphEstimate): boolean {
  return seconds <= AT_ONCE_SECONDS && lack === null;
}

export function costWords({ seconds, memory, n_nodes: nodes }: GraphEstimate): string {
  const about = seconds < 1 ? duration(seconds) : `about ${duration(seconds)}`;
  return `${about} · ${bytes(memory)} of memory · ${count(nodes, 'node')} before any is pruned`;
}

/** False for a moment after each change; true from the start. */
function useRested(name: string): boolean {
  const [last, setLast] = useState(name);
  useEffect(() => {
    if (last === name) return undefined;
    const timer = setTimeout(() => setLast(name), REST_MS);
    return () => clearTimeout(timer);
  }, [last, name]);
  return last === name;
}
