/** What the model is made of, what is attached to it and what can be asked: fetched when it is opened. */
import type { ModelInfo } from '../shared/api/queries';
import { figures, percent } from '../draw/format';
import { change } from '../shared/state/store';

interface Props {
  model: ModelInfo;
  close: () => void;
}

export function ModelFacts({ model, close }: Props) {
  return (
    <>
      <h2>{model.name}</h2>
      <dl className="facts">
        {factsOf(model).map(([name, value]) => (
          <Fact key={name} name={name} value={value} />
        ))}
      </dl>
      <Attached model={model} close={close} />
      <Capabilities model={model} />
      <p className="faint">Unembed {model.version}. Layers, heads and positions count from 0.</p>
    </>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd className="mono">{value}</dd>
    </>
  );
}

function inLayers(model: ModelInfo): string {
  const one = model.attention_layers.length === 1;
  return `in ${one ? 'layer' : 'layers'} ${model.attention_layers.join(', ')}`;
}

function factsOf(model: ModelInfo): Array<[string, string]> {
  const number = (value: number) => value.toLocaleString('en');
  const groups =
    model.n_kv_heads === model.n_heads ? '' : `, sharing ${model.n_kv_heads} key/value`;
  const some = model.attention_layers.length < model.n_layers;
  const encoder: Array<[string, string]> = model.has_encoder
    ? [['Encoder', `${number(model.n_encoder_layers)} layers; the rest is its decoder’s`]]
    : [];
  const mixed: Array<[string, string]> = some
    ? [['Attention', model.attention_layers.length === 0 ? 'in no layer' : inLayers(model)]]
    : [];
  return [
    [
      'Family',
      `${model.family} (${model.kind === 'causal' ? 'predicts the next token' : 'fills masks'})`,
    ],
    ['Layers', number(model.n_layers)],
    ...encoder,
    ['Heads per layer', model.n_heads === 0 ? 'none' : `${model.n_heads}${groups}`],
    ...mixed,
    ['Residual stream', `${number(model.d_model)} wide`],
    ['Neurons per layer', model.d_mlp === 0 ? 'none' : number(model.d_mlp)],
    ['Blocks', blocksOf(model)],
    ['Vocabulary', `${number(model.vocab_size)} tokens`],
    ['Longest prompt', `${number(model.limits.max_prompt_tokens)} tokens`],
    ['Computes in', `${model.dtype} on ${model.device}`],
    ['Licence', model.licence ?? 'not stated'],
    ['Fingerprint', model.fingerprint.slice(0, 16)],
  ];
}

function blocksOf(model: ModelInfo): string {
  if (model.parallel_blocks) return 'parallel';
  const mixed = model.attention_layers.length < model.n_layers;
  return `${mixed ? 'attention or another token mixer' : 'attention'}, then feed-forward`;
}

/** The autoencoders whose latents are nodes, and what speaks for each. */
function Attached({ model, close }: Props) {
  const some = model.attached.length > 0;
  return (
    <section data-testid="attached">
      <h3>{some ? 'Autoencoders attached' : 'Autoencoders'}</h3>
      <ul className="capabilities">
        {model.attached.map((one) => (
          <li key={one.stem}>
            <span className="mono">
              {one.stem}0–{one.n_latents - 1}
            </span>{' '}
            {one.words}. {evidenceOf(one)}
            {one.doubts.map((doubt) => (
              <p key={doubt} className="faint">
                Note: {doubt}.
              </p>
            ))}
          </li>
        ))}
      </ul>
      <p>
        {some ? '' : 'None is attached. '}
        <button
          type="button"
          className="link"
          data-testid="open-latents"
          onClick={() => {
            change({ view: 'latents' });
            close();
          }}
        >
          {some ? 'Attach, detach or train one' : 'Train or attach one'}
        </button>
      </p>
    </section>
  );
}

function evidenceOf(one: ModelInfo['attached'][number]): string {
  if (one.explained === null || one.active === null) return 'Not held against the model.';
  const declared = one.declared === null ? '' : ` (${figures(one.declared)} declared)`;
  return `It explains ${percent(one.explained)} on a fixed text, ${figures(one.active)} latents active at a token${declared}, read ${one.read}.`;
}

/** What is missing for one reason is said once. */
function byReason(missing: ModelInfo['capabilities']): Array<[reason: string, names: string[]]> {
  const found = new Map<string, string[]>();
  for (const { name, reason } of missing) {
    const said = reason ?? 'not available';
    found.set(said, [...(found.get(said) ?? []), name]);
  }
  return [...found];
}

function Capabilities({ model }: { model: ModelInfo }) {
  const missing = model.capabilities.filter((capability) => !capability.available);
  return (
    <section>
      <h3>What can be asked of it</h3>
      {missing.length === 0 ? <p>Everything: the self-check at load proved every site.</p> : null}
      <ul className="capabilities">
        {byReason(missing).map(([reason, names]) => (
          <li key={reason}>
            <span className="mono">{names.join(', ')}</span> no: {reason}
          </li>
        ))}
      </ul>
      {missing.length > 0 ? (
        <p className="faint">
          Available:{' '}
          {model.capabilities
            .filter((capability) => capability.available)
            .map((capability) => capability.name)
            .join(', ')}
        </p>
      ) : null}
    </section>
  );
}
