/** Which node or site an edit changes. */
import { isHead, PairFields } from './EditPlaces';
import { Field, type FieldsProps } from './EditField';
import type { ModelInfo } from '../api/queries';
import { RESIDUAL_SITES } from '../../draw/residual';
import { inEncoders, type Kind } from '../text/address';
import type { Draft } from '../text/draft';
import { fitsKind, type Operation } from '../text/edits';

const KINDS: ReadonlyArray<readonly [Kind, string]> = [
  ['head', 'Attention head'],
  ['cross_head', 'Head that attends to the encoder'],
  ['neuron', 'Feed-forward neuron'],
  ['latent', 'Latent of an autoencoder'],
  ['attn', 'Attention of a layer'],
  ['mixer', 'Token mixer other than attention'],
  ['cross', 'Attention to the encoder of a layer'],
  ['mlp', 'Feed-forward of a layer'],
  ['ple', 'Per-layer embedding of a layer'],
  ['site', 'Residual stream'],
  ['embed', 'Token embedding'],
];

/** Branches that few models have: what they add is among the sites of those. */
const FEW_HAVE: Partial<Record<Kind, string>> = {
  mixer: 'mixer_out',
  ple: 'ple_out',
  cross: 'cross_out',
  cross_head: 'cross_z',
};

function kindsOf(model: ModelInfo): typeof KINDS {
  const sites = new Set(model.capabilities.map((capability) => capability.name));
  return KINDS.filter(([kind]) => {
    if (kind === 'latent') return model.attached.length > 0;
    return sites.has(FEW_HAVE[kind] ?? '') || !FEW_HAVE[kind];
  });
}

function latentsIn(model: ModelInfo, { layer, at }: Draft): number {
  const stem = `L${layer}.${at === '' ? '' : `${at}.`}F`;
  return model.attached.find((one) => one.stem === stem)?.n_latents ?? 0;
}

function sitesOf(model: ModelInfo): readonly string[] {
  return RESIDUAL_SITES.filter((site) => site !== 'resid_mid_cross' || model.has_encoder);
}

const SITE_WORDS: Record<string, string> = {
  resid_pre: 'before attention',
  resid_mid: 'after attention',
  resid_mid_cross: 'after attention to the encoder',
  resid_post: 'after feed-forward',
};

export function TargetFields({ draft, set, model, problem }: FieldsProps & { model: ModelInfo }) {
  const available = (name: string) =>
    model.capabilities.find((capability) => capability.name === name)?.available ?? true;
  const numberField = (key: 'layer' | 'index', label: string, most: number) => (
    <Field label={label} hint={`0–${most - 1}`}>
      {(field) => (
        <input
          {...field}
          className="mono"
          inputMode="numeric"
          value={draft[key]}
          onChange={(event) => set({ [key]: event.target.value.trim() })}
        />
      )}
    </Field>
  );
  return (
    <>
      <div className="form-row">
        <Field label="What">
          {(field) => (
            <select
              {...field}
              value={draft.kind}
              onChange={(event) => set(ofKind(event.target.value as Kind, draft.operation))}
            >
              {kindsOf(model).map(([kind, words]) => (
                <option
                  key={kind}
                  value={kind}
                  disabled={
                    (kind === 'neuron' && !available('neurons')) ||
                    (kind === 'head' && !available('heads'))
                  }
                >
                  {words}
                </option>
              ))}
            </select>
          )}
        </Field>
        {model.n_encoder_layers > 0 && inEncoders(draft.kind) ? (
          <StackField draft={draft} set={set} />
        ) : null}
        {draft.kind === 'embed'
          ? null
          : numberField('layer', 'Layer', draft.encoder ? model.n_encoder_layers : model.n_layers)}
        {isHead(draft.kind) ? numberField('index', 'Head', model.n_heads) : null}
        {draft.kind === 'neuron' ? numberField('index', 'Neuron', model.d_mlp) : null}
        {draft.kind === 'latent' ? numberField('index', 'Latent', latentsIn(model, draft)) : null}
        {draft.kind === 'site' ? (
          <Field label="Where">
            {(field) => (
              <select
                {...field}
                value={draft.site}
                onChange={(event) => set({ site: event.target.value })}
              >
                {[...new Set<string>([...sitesOf(model), draft.site])].map((site) => (
                  <option key={site} value={site} disabled={!available(site)}>
                    {SITE_WORDS[site] ?? site}
                  </option>
                ))}
              </select>
            )}
          </Field>
        ) : null}
      </div>
      {isHead(draft.kind) ? <PairFields draft={draft} set={set} problem={null} /> : null}
      {problem?.field === 'target' ? (
        <p className="problem" role="alert">
          {problem.message}
        </p>
      ) : null}
    </>
  );
}

/** Of a model that reads a source: which of its two stacks of layers. */
function StackField({ draft, set }: Omit<FieldsProps, 'problem'>) {
  return (
    <Field label="Of the">
      {(field) => (
        <select
          {...field}
          data-testid="edit-stack"
          value={draft.encoder ? 'encoder' : 'decoder'}
          onChange={(event) => set({ encoder: event.target.value === 'encoder' })}
        >
          <option value="decoder">decoder</option>
          <option value="encoder">encoder</option>
        </select>
      )}
    </Field>
  );
}

/** Another kind of node; what it cannot do is not kept. */
function ofKind(kind: Kind, operation: Operation): Partial<Draft> {
  const kept = inEncoders(kind) ? {} : { encoder: false };
  return fitsKind(operation, kind) ? { kind, ...kept } : { kind, ...kept, operation: 'zero' };
}
