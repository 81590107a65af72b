/** What the flow graph shows, as one quiet line: layers, target, what is picked out, what is hidden. */
import type { ReactNode } from 'react';
import type { Schemas } from '../../shared/api/client';
import type { ModelInfo } from '../../shared/api/queries';
import { Choice } from '../../shared/parts/Choice';
import { FLOW, shownLayers, type Flow as FlowChoices } from './flowState';
import { formatPositions } from '../../shared/text/edits';
import { showSpaces } from '../../draw/tokens';
import { setFlow, shiftLayers, useFlowSpec } from './flowing';
import { useSpec } from '../../shared/state/store';
import { LayersMenu } from './FlowLayers';
import {
  ColoursMenu,
  colourWords,
  HideMenu,
  hiddenWords,
  LabelMenu,
  TargetMenu,
} from './FlowMenus';
import { ShownMenu, shownWords } from './FlowShown';

type TokenText = Schemas['Token'];

interface Props {
  model: ModelInfo;
  /** What boxes are rated by, its first token; null while that is not known, and of a label. */
  token: TokenText | null;
  /** The label that effects are on, in place of a token. */
  label: string | null;
  position: number | null;
  children: ReactNode;
}

export function FlowSetup({ model, token, label, position, children }: Props) {
  const flow = useFlowSpec();
  const { target } = useSpec();
  const layers = shownLayers(flow.layers, model.n_layers);
  const whole = flow.target_mode === 'whole';
  const reads = model.labels.length === 0; // vectors as tokens
  const colour = colourWords(flow.colour, reads);
  const own = label ?? token?.label ?? '…';
  const targetWords = target === '' || label !== null ? own : showSpaces(target);
  return (
    <div className="lens-setup flow-setup" role="group" aria-label="What the flow graph shows">
      <Choice
        name="flow-layers"
        head={layers.length === 1 ? 'Layer' : 'Layers'}
        says={formatPositions(layers)}
        changed={flow.layers !== null}
        wide
      >
        <LayersMenu model={model} position={position} token={token} />
      </Choice>
      <Steps layers={layers} depth={model.n_layers} />
      <Choice
        name="flow-target"
        head={reads ? 'Target' : 'Label'}
        says={<bdi className="token">{targetWords}</bdi>}
        changed={whole && reads}
      >
        {reads ? <TargetMenu own={token?.label ?? null} /> : <LabelMenu own={label} />}
      </Choice>
      <Choice
        name="flow-shown"
        head="Shown"
        says={shownWords(flow, model.n_heads)}
        changed={isChosen(flow)}
        wide
      >
        <ShownMenu model={model} layers={layers} />
      </Choice>
      <Choice
        name="flow-hidden"
        head="Hidden"
        says={hiddenWords(flow)}
        changed={flow.hidden.length > 0 || flow.merge_neurons || flow.merge_values}
      >
        <HideMenu attached={model.attached.length > 0} />
      </Choice>
      <Choice
        name="flow-colours"
        head="Colours"
        says={flow.palette === FLOW.palette ? colour : `${colour}, ${flow.palette}`}
        changed={flow.palette !== FLOW.palette || flow.colour !== FLOW.colour}
      >
        <ColoursMenu reads={reads} />
      </Choice>
      <Rest />
      <Reset />
      <span className="spring" />
      {children}
    </div>
  );
}

function isChosen(flow: FlowChoices): boolean {
  const names = [
    'choice',
    'n_heads',
    'values_per_head',
    'top_neurons',
    'bottom_neurons',
    'threshold',
  ] as const;
  return flow.include.length > 0 || names.some((name) => flow[name] !== FLOW[name]);
}

/** One layer on, one layer back; several go together. */
function Steps({ layers, depth }: { layers: readonly number[]; depth: number }) {
  const step = (by: 1 | -1, label: string, sign: string, key: string) => (
    <button
      type="button"
      className="icon-button"
      aria-label={label}
      title={`${label} (${key})`}
      data-testid={by > 0 ? 'layer-up' : 'layer-down'}
      disabled={layers.some((layer) => layer + by < 0 || layer + by >= depth)}
      onClick={() => shiftLayers(by)}
    >
      {sign}
    </button>
  );
  return (
    <span className="flow-steps">
      {step(-1, 'One layer earlier', '−', '[')}
      {step(1, 'One layer later', '+', ']')}
    </span>
  );
}

function Rest() {
  const { rest } = useFlowSpec();
  return (
    <button
      type="button"
      className="quiet"
      aria-pressed={rest}
      data-testid="flow-rest"
      title="Boxes for all that is not shown one by one, so that what enters a box adds up"
      onClick={() => setFlow({ rest: !rest })}
    >
      the rest
    </button>
  );
}

/** Back to the start, but for the layers. */
function Reset() {
  const flow = useFlowSpec();
  const start = { ...FLOW, layers: flow.layers };
  if (JSON.stringify(flow) === JSON.stringify(start)) return null;
  return (
    <button
      type="button"
      className="quiet"
      data-testid="flow-reset"
      title="Everything as at the start, but for the layers"
      onClick={() => setFlow(start)}
    >
      Reset
    </button>
  );
}
