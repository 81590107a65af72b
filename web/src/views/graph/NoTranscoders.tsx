/** In place of the graph of a model that has none attached: what to attach, and how. */
import type { ModelInfo } from '../../shared/api/queries';
import { copyText } from '../../shared/parts/save';

export function NoTranscoders({ model }: { model: ModelInfo }) {
  const layer = Math.floor(model.n_layers / 2);
  const place = `L${layer}.mlp_in>L${layer}.mlp_out`;
  const command = `unembed serve ${quoted(model.name)} --sae 'SOURCE@${place}'`;
  return (
    <section className="no-lens graph-none" data-testid="no-transcoders">
      <h2>No transcoder is attached</h2>
      <p>
        The nodes of an attribution graph are latents of transcoders, one for each layer’s
        feed-forward. Neurons cannot take their place: what one of a gated feed-forward adds is a
        product of two readings, which has no direct edges.
      </p>
      <p>
        Start the server with one for as many layers as there are, each <code>--sae</code> a folder
        or a repository, and where it reads and writes:
      </p>
      <p className="graph-command">
        <code data-testid="attach-command">{command}</code>{' '}
        <button type="button" onClick={() => void copyText(command, 'the command')}>
          Copy
        </button>
      </p>
      <p className="faint">
        Files of SAELens, Gemma Scope and circuit-tracer are read. Of your own:{' '}
        <code>unembed sae train</code> trains one. A graph of a file needs none: open it above.
      </p>
    </section>
  );
}

function quoted(name: string): string {
  return /^[\w./-]+$/.test(name) ? name : `'${name.replaceAll("'", String.raw`'\''`)}'`;
}
