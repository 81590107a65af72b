/** What the chosen cell says, and what can be done with it. */
import type { ModelInfo } from '../../shared/api/queries';
import { addEdit, change, notify, useSpec } from '../../shared/state/store';
import { parseTarget } from '../../shared/text/address';
import { nodeOf, patchEdit, sentence, valueAt } from './cells';
import { chosenCell } from './PatchCanvas';
import { setPatching, usePatchingSpec } from './patchingState';
import type { Grid } from './query';

interface Props {
  grid: Grid;
  model: ModelInfo;
  corrupted: string;
}

export function CellNote({ grid, corrupted }: Props) {
  const spec = useSpec();
  const { cell } = usePatchingSpec();
  const at = chosenCell(grid, cell);
  if (!at || valueAt(grid, at.row, at.column) === null)
    return <p className="patching-cell faint">Choose a cell to make an edit of it.</p>;
  const node = nodeOf(grid, at.row, at.column);
  const component = componentOf(node);
  const clean = grid.into === 'clean';
  const made = patchEdit(grid, at.row, at.column, clean ? corrupted : spec.prompt);
  const use = () => {
    if (clean) {
      addEdit(made);
      return notify(`${node} is patched from the corrupted prompt.`);
    }
    change({
      view: 'predictions',
      prompt: corrupted,
      position: grid.position,
      edits: [made],
      patching: { ...spec.patching, corrupted: spec.prompt, into: 'clean' },
    });
  };
  return (
    <div className="patching-cell" data-testid="patch-note">
      <span className="mono">{node}</span>
      <span>{sentence(grid, at.row, at.column)}</span>
      {spec.chat ? null : (
        <button
          type="button"
          data-testid="patch-edit"
          title={
            clean
              ? 'An edit of the prompt above'
              : 'Runs the corrupted prompt with this activation of the clean one'
          }
          onClick={use}
        >
          {clean ? 'Add as an edit' : 'Run the corrupted prompt so'}
        </button>
      )}
      {component ? (
        <button type="button" className="link" onClick={() => change({ node: component })}>
          Look at {component}
        </button>
      ) : null}
      <button type="button" className="link" onClick={() => setPatching({ cell: null }, 'replace')}>
        Leave
      </button>
    </div>
  );
}

/** What has a drawer: a head, or the branch that writes. */
function componentOf(node: string): string | null {
  const name = node.replace(/\.(attn|mlp)_out$/, '.$1');
  const target = parseTarget(name);
  return target && target.kind !== 'site' ? name : null;
}
