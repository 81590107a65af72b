/** How much of what each layer added is drawn: always in sight, so that nobody takes a part for the whole. */
import { Fragment } from 'react';
import type { Flow } from '../../draw/flow/data';
import { completeness, notesOf, type Completeness } from '../../draw/flow/text';
import { useFlowSpec } from './flowing';
import { BestLayer } from './FlowLayers';

interface Props {
  graph: Flow;
  side: 'baseline' | 'edited';
  /** Layers of the model. */
  depth: number;
  current: boolean;
}

export function FlowReadout({ graph, side, depth, current }: Props) {
  const { rest } = useFlowSpec();
  const drawn = graph[side] ?? graph.baseline;
  return (
    <div className="flow-readout" data-testid="flow-readout">
      {completeness(drawn).map((layer) => (
        <LayerLine key={layer.layer} layer={layer} />
      ))}
      <span className="faint">
        {rest ? 'The rest is drawn in grey.' : 'The rest is not drawn.'}
      </span>
      {current ? (
        <BestLayer position={graph.position} token={graph.target.tokens[0] ?? null} depth={depth} />
      ) : null}
      {notesOf(drawn).map((note) => (
        <p key={note} className="flow-note" data-testid="flow-note">
          {note}
        </p>
      ))}
    </div>
  );
}

function LayerLine({ layer }: { layer: Completeness }) {
  return (
    <p>
      <strong>Layer {layer.layer}</strong> {layer.attention}
      {layer.cross === undefined ? null : (
        <>
          <span className="faint"> · </span>
          {layer.cross}
        </>
      )}
      <span className="faint"> · </span>
      {layer.feedForward}
      {layer.streams.map((words) => (
        <Fragment key={words}>
          <span className="faint"> · </span>
          {words}
        </Fragment>
      ))}
    </p>
  );
}
