/** The circuit as hooks: the edges that are kept, its curve, and one edge that is measured. */
import { api, timedAnswer, type Schemas } from '../../shared/api/client';
import type { JobKind } from '../../shared/api/jobs';
import { useAnalysis, type Analysis } from '../../shared/api/queries';
import { askedOf, isAsked, promptOf } from '../../shared/text/chat';
import { pairsAsked } from '../../shared/text/pairs';
import type { Spec } from '../../shared/text/url';
import { circuitBody, type CircuitBody } from './circuitState';

export type CircuitAnswer = Schemas['Circuit'];
type Body = Schemas['CircuitRequest'];
type More = Pick<Body, 'curve' | 'measure_named' | 'threshold'>;

/** Of the body, what decides which edges are rated how. */
const RATING = ['ablation', 'seed', 'estimator', 'steps'] as const;

/** What is asked of one pair, or of several: there the page's own prompt is no part of it. */
function circuitAsked(spec: Spec, position: number | null, body: CircuitBody & More) {
  const asked = askedOf(spec);
  const { corrupted, ablation, set, own, held_out } = spec.circuit;
  const of = pairsAsked(set, own);
  if (set !== 'one') {
    const fields = { ...body, ...of, ...(held_out > 0 ? { held_out } : {}) };
    return {
      key: ['pairs', fields],
      asks: of !== null,
      ask: (job: string | null, signal?: AbortSignal) =>
        timedAnswer(
          api.POST('/api/circuit/pairs', {
            body: { ...fields, job } as Schemas['CircuitPairsRequest'],
            ...(signal ? { signal } : {}),
          }),
        ),
    };
  }
  const options = {
    ...body,
    target: spec.target || null,
    distractor: spec.distractor || null,
    corrupted: corrupted === '' ? null : promptOf({ prompt: corrupted, chat: spec.chat }),
  };
  return {
    key: [asked, position, options],
    asks: isAsked(spec) && position !== null && (corrupted !== '' || ablation !== 'patch'),
    ask: (job: string | null, signal?: AbortSignal) =>
      timedAnswer(
        api.POST('/api/circuit', {
          body: { ...asked, position: position ?? -1, ...options, job } as Body,
          ...(signal ? { signal } : {}),
        }),
      ),
  };
}

function useCircuitOf(
  kind: JobKind,
  spec: Spec,
  position: number | null,
  body: CircuitBody & More,
  enabled: boolean,
): Analysis<CircuitAnswer> {
  const { key, asks, ask } = circuitAsked(spec, position, body);
  return useAnalysis<CircuitAnswer>(kind, key, enabled && asks, ask);
}

/** Edits are no part of it: the prompts are run as they are. */
export function useCircuit(spec: Spec, position: number | null, enabled: boolean) {
  return useCircuitOf(
    'circuit',
    spec,
    position,
    { ...circuitBody(spec.circuit), curve: false },
    enabled,
  );
}

/** Faithfulness of growing shares of the edges: whichever are kept, it is the same. */
export function useCurve(spec: Spec, position: number | null, enabled: boolean) {
  const body = circuitBody(spec.circuit);
  const { include: _in, exclude: _out, measure: _all, ...rest } = body;
  return useCircuitOf('circuit-curve', spec, position, { ...rest, edges: 0 }, enabled);
}

/** One edge left out of the model, and of the circuit. */
export function useMeasured(
  spec: Spec,
  position: number | null,
  edge: string | null,
  enabled: boolean,
) {
  const { measure: _all, ...body } = circuitBody(spec.circuit);
  const measure_named = edge === null ? [] : [edge];
  return useCircuitOf(
    'circuit-edge',
    spec,
    position,
    { ...body, curve: false, measure_named },
    enabled && edge !== null,
  );
}

/** The effect of every edge of the model over all positions, for a file in MIB's format. */
export async function allEdges(spec: Spec, of: CircuitAnswer): Promise<CircuitAnswer> {
  const body = circuitBody(spec.circuit);
  const rating = Object.fromEntries(
    RATING.flatMap((name) => (body[name] === undefined ? [] : [[name, body[name]]])),
  );
  const { data } = await circuitAsked(spec, of.position, {
    ...rating,
    curve: false,
    threshold: 0,
  }).ask(null);
  return data;
}
