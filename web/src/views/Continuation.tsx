/** What the model writes when it goes on: baseline, and with the edits. */
import { useGeneration } from '../api/queries';
import { Icon, SideMark, Token } from '../components/parts';
import type { Schemas } from '../api/client';
import type { Generation } from '../core/url';
import { change, useSpec } from '../state/store';
import { ErrorNote } from './ErrorNote';
import { Status } from './ViewBar';

export function Continuation({ generation }: { generation: Generation }) {
  const spec = useSpec();
  const analysis = useGeneration(spec, generation);
  const { data } = analysis;
  return (
    <section className="continuation" aria-label="Continuation" data-testid="continuation">
      <header>
        <h2>Continuation</h2>
        <Status kind="generate" analysis={analysis} />
        <button
          type="button"
          className="icon-button"
          aria-label="Close the continuation"
          onClick={() => change({ generation: null })}
        >
          <Icon name="close" />
        </button>
      </header>
      <Options generation={generation} />
      <ErrorNote error={analysis.error} retry={analysis.retry} stale={data !== null} />
      {data ? (
        <div className={analysis.current ? '' : 'stale'}>
          <Text side={data.edited ? 'baseline' : null} tokens={data.baseline} other={null} />
          {data.edited ? <Text side="edited" tokens={data.edited} other={data.baseline} /> : null}
        </div>
      ) : null}
    </section>
  );
}

interface TextProps {
  side: 'baseline' | 'edited' | null;
  tokens: Schemas['TokenText'][];
  other: Schemas['TokenText'][] | null;
}

/** From the first token on that differs, the text is another one: marked as such. */
function Text({ side, tokens, other }: TextProps) {
  const apart = other ? tokens.findIndex((token, at) => token.id !== other[at]?.id) : -1;
  return (
    <p className="generated" data-testid={`generated-${side ?? 'baseline'}`}>
      {side ? <SideMark side={side} /> : null}
      {tokens.map((token, at) => (
        <Token key={at} token={token} className={apart >= 0 && at >= apart ? 'apart' : ''} />
      ))}
    </p>
  );
}

function Options({ generation }: { generation: Generation }) {
  const number = (
    key: keyof Generation,
    label: string,
    low: number,
    high: number,
    step: number,
  ) => (
    <label>
      {label}
      <input
        type="number"
        className="mono"
        min={low}
        max={high}
        step={step}
        defaultValue={generation[key]}
        key={generation[key]}
        onBlur={(event) => commit(key, event.target.valueAsNumber, low, high)}
        onKeyDown={(event) => {
          if (event.key === 'Enter') commit(key, event.currentTarget.valueAsNumber, low, high);
        }}
      />
    </label>
  );
  const commit = (key: keyof Generation, value: number, low: number, high: number) => {
    if (value >= low && value <= high && value !== generation[key])
      change({ generation: { ...generation, [key]: value } });
  };
  return (
    <div className="generation-options">
      {number('tokens', 'tokens', 1, 512, 1)}
      {number('temperature', 'temperature', 0, 10, 0.1)}
      {generation.temperature > 0 ? number('seed', 'seed', 0, 2 ** 31 - 1, 1) : null}
    </div>
  );
}
