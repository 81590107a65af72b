/** In place of target and distractor, for a model whose head gives labels: which one is explained. */
import { labelAt, labelTarget } from '../shared/text/labels';

interface Props {
  labels: readonly string[];
  target: string;
  onChange: (target: string) => void;
}

export function LabelField({ labels, target, onChange }: Props) {
  const at = labelAt(target, labels);
  const own = at === null ? target : labelTarget(labels, at);
  return (
    <div className="token-field">
      <label htmlFor="target">Label</label>
      <div className="token-input">
        <select
          id="target"
          data-testid="target"
          title="The label whose score is explained"
          value={own}
          onChange={(event) => onChange(event.target.value)}
        >
          <option value="">the highest</option>
          {labels.map((name, place) => (
            <option key={labelTarget(labels, place)} value={labelTarget(labels, place)}>
              {name}
            </option>
          ))}
          {at === null && target !== '' ? <option value={target}>{target}</option> : null}
        </select>
      </div>
    </div>
  );
}
