/** The choices behind the words of the lens's quiet line: rows, decoder, target. */
import type { ModelInfo } from '../../shared/api/queries';
import { Check, Option } from '../../shared/parts/Choice';
import { Segments } from '../../shared/parts/parts';
import { count } from '../../draw/format';
import { decoderBlocks, decoderEntry } from './lensRows';
import { setLens, type LensState } from './lensState';
import { showSpaces } from '../../draw/tokens';
import { scoring } from '../../shared/text/url';
import { change, useSpec } from '../../shared/state/store';

const STEPS = [1, 2, 3, 4, 6, 8, 12] as const;

export function RowsMenu({ model }: { model: ModelInfo }) {
  const { include_embedding: embedding, subblocks, layer_step: step } = useSpec().lens;
  const steps = STEPS.filter((value) => value === 1 || value < model.n_layers);
  const options = steps.some((value) => value === step) ? steps : [...steps, step];
  return (
    <>
      <h3>Rows</h3>
      <p className="field-name">One row for every … blocks, and for the last</p>
      <Segments
        name="step"
        label="Blocks from row to row"
        value={String(step)}
        options={options.map((value) => [String(value), String(value)] as const)}
        onChange={(value) => setLens({ layer_step: Number(value) })}
      />
      <Check
        name="subblocks"
        checked={subblocks}
        onChange={() => setLens({ subblocks: !subblocks })}
        note={
          model.parallel_blocks
            ? 'Blocks of this model run attention and feed-forward side by side. The row is the stream with attention’s write alone: not a state that the model has.'
            : 'The stream after attention, before feed-forward.'
        }
      >
        Rows within blocks
      </Check>
      <Check
        name="embedding"
        checked={embedding}
        onChange={() => setLens({ include_embedding: !embedding })}
        note="The stream before the first block."
      >
        Embedding row
      </Check>
    </>
  );
}

// ------------------------------------------------------------------ decoder

export function DecoderMenu({ model, rows }: { model: ModelInfo; rows: number }) {
  const { decoder } = useSpec().lens;
  const layers = model.n_layers;
  const entry = decoderEntry(decoder, layers);
  const is = (layer: number, mlp: boolean) => entry?.layer === layer && entry.mlp === mlp;
  const named =
    entry === null ||
    is(layers - 1, true) ||
    is(layers - 1, false) ||
    (layers > 2 && is(layers - 2, false));
  const choose = (name: string) => () => setLens({ decoder: name });
  const option = (value: string, checked: boolean, name: string, words: string, note?: string) => (
    <Option
      group="decoder"
      value={value}
      checked={checked}
      onChange={choose(name)}
      {...(note === undefined ? {} : { note })}
    >
      {words}
    </Option>
  );
  return (
    <>
      <h3>What reads a row</h3>
      <p className="option-note">
        Every row runs through the end of the model, from here on. More of it makes early rows more
        readable, and less their own.
      </p>
      {option(
        'final_norm',
        entry === null,
        'final_norm',
        'Final norm',
        'Norm and unembedding alone: the logit lens.',
      )}
      {option(
        'last_mlp',
        is(layers - 1, true),
        'last_mlp',
        'Last feed-forward',
        'The last block without its attention, then the norm.',
      )}
      {option(
        'last_block',
        is(layers - 1, false),
        'last_block',
        'Last block',
        'As if all blocks between were skipped.',
      )}
      {layers > 2
        ? option('last_two', is(layers - 2, false), `L${layers - 2}`, 'Last 2 blocks')
        : null}
      {option('from', !named, `L${Math.max(0, layers - 3)}`, 'From a block on')}
      {named || !entry ? null : <FromBlock layers={layers} layer={entry.layer} mlp={entry.mlp} />}
      {entry ? <DecoderCost decoder={decoder} layers={layers} rows={rows} /> : null}
    </>
  );
}

function FromBlock({ layers, layer, mlp }: { layers: number; layer: number; mlp: boolean }) {
  const choose = (at: number, part: boolean) => setLens({ decoder: `L${at}${part ? '.mlp' : ''}` });
  return (
    <div className="from-block">
      <select
        aria-label="First block of the decoder"
        data-testid="decoder-layer"
        value={Math.min(layer, layers - 1)}
        onChange={(event) => choose(Number(event.target.value), mlp)}
      >
        {Array.from({ length: layers }, (_, at) => (
          <option key={at} value={at}>
            L{at}
          </option>
        ))}
      </select>
      <Segments
        name="decoder-part"
        label="Part of that block"
        value={mlp ? 'mlp' : 'block'}
        options={[
          ['block', 'whole block'],
          ['mlp', 'feed-forward'],
        ]}
        onChange={(part) => choose(layer, part === 'mlp')}
      />
    </div>
  );
}

interface CostProps {
  decoder: LensState['decoder'];
  layers: number;
  rows: number;
}

function DecoderCost({ decoder, layers, rows }: CostProps) {
  const blocks = decoderBlocks(decoder, layers);
  return (
    <p className="option-note menu-foot" data-testid="decoder-cost">
      One pass of the whole prompt through{' '}
      {blocks === 0.5 ? 'half a block' : count(blocks, 'block')} for each of{' '}
      {count(rows - 1, 'row')}. Rows beyond its first block are left out; the last is always the
      model’s own output.
    </p>
  );
}

// ------------------------------------------------------------------ target

export function TargetMenu({ masked }: { masked: boolean }) {
  const spec = useSpec();
  const { target, follow } = scoring(spec);
  const typed = spec.target !== '';
  return (
    <>
      <h3>What probability, logit and rank are of</h3>
      <Option
        group="follow"
        value="target"
        checked={target !== null}
        disabled={!typed}
        onChange={() => change({ follow: 'target' })}
        note={
          typed
            ? 'The target token of the prompt bar, at every position.'
            : 'Type a target token beside the prompt.'
        }
      >
        {typed ? <bdi className="token">{showSpaces(spec.target)}</bdi> : 'One token'}
      </Option>
      <Option
        group="follow"
        value="final"
        checked={target === null && follow === 'final'}
        onChange={() => change({ follow: typed ? 'final' : 'target' })}
        note="At each position the token that the whole model finds most likely."
      >
        Final top token
      </Option>
      {masked ? null : (
        <Option
          group="follow"
          value="next"
          checked={follow === 'next'}
          onChange={() => change({ follow: 'next' })}
          note="At each position the token that follows in the prompt. The last has none."
        >
          True next token
        </Option>
      )}
      <Option
        group="follow"
        value="input"
        checked={follow === 'input'}
        onChange={() => change({ follow: 'input' })}
        note="At each position the token that stands there."
      >
        Token itself
      </Option>
    </>
  );
}
