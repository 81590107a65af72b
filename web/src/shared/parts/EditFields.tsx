/** One edit in full. What the model would refuse is said here, before anything is sent. */
import { useEffect, useId, useRef, useState, type ReactNode } from 'react';
import type { ModelInfo } from '../api/queries';
import { RESIDUAL_SITES } from '../../draw/residual';
import { inEncoders, type Kind } from '../text/address';
import { readDraft, toDraft, type Draft } from '../text/draft';
import {
  CHOOSABLE,
  fitsKind,
  OPERATION_HELP,
  operationWords,
  takesPositions,
  takesSign,
  takesStage,
  takesValue,
  type Edit,
  type EditProblem,
  type Operation,
} from '../text/edits';
import { useStore } from '../state/store';
import { has } from '../view';

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

const isHead = (kind: Kind): boolean => kind === 'head' || kind === 'cross_head';

function sitesOf(model: ModelInfo): readonly string[] {
  return RESIDUAL_SITES.filter((site) => site !== 'resid_mid_cross' || model.has_encoder);
}

const SITE_WORDS: Record<string, string> = {
  resid_pre: 'before attention',
  resid_mid: 'after attention',
  resid_mid_cross: 'after attention to the encoder',
  resid_post: 'after feed-forward',
};

/** A pop-up that opened before its form was there keeps the focus itself: it goes on to the form. */
function useFocusInPopover() {
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    const waits = document.activeElement?.getAttribute('role') === 'dialog';
    if (waits && document.activeElement?.contains(form.current))
      form.current?.querySelector<HTMLElement>('select, input, button')?.focus();
  }, []);
  return form;
}

export interface EditFormProps {
  model: ModelInfo;
  initial: Edit;
  submit: string;
  /** The node is settled: only what is done to it is asked. */
  fixed?: boolean;
  onSubmit: (made: Edit) => void;
}

export function EditFields({ model, initial, submit, fixed = false, onSubmit }: EditFormProps) {
  const form = useFocusInPopover();
  const [draft, setDraft] = useState(() => toDraft(initial));
  const [tried, setTried] = useState(false);
  const set = (patch: Partial<Draft>) => setDraft((before) => ({ ...before, ...patch }));
  const read = readDraft(draft, initial, model);
  const problem = 'problem' in read ? read.problem : null;
  const shown = tried ? problem : null;
  return (
    <form
      ref={form}
      className="edit-form"
      data-testid="edit-form"
      onSubmit={(event) => {
        event.preventDefault();
        // React's events leave a portal upwards: a form around the pop-over must not be submitted too.
        event.stopPropagation();
        setTried(true);
        if ('made' in read) onSubmit(read.made);
      }}
    >
      {fixed ? null : <TargetFields draft={draft} set={set} model={model} problem={shown} />}
      <OperationFields draft={draft} set={set} problem={shown} model={model} />
      {takesPositions(draft.operation) ? (
        <PositionsField draft={draft} set={set} problem={shown} />
      ) : (
        <PairsFields draft={draft} set={set} problem={shown} />
      )}
      <div className="form-actions">
        <button type="submit" className="primary" data-testid="edit-submit">
          {submit}
        </button>
      </div>
    </form>
  );
}

interface FieldsProps {
  draft: Draft;
  set: (patch: Partial<Draft>) => void;
  problem: EditProblem | null;
}

/** Where in the prompt the edit acts; the chosen position is one click away. */
function PositionsField({ draft, set, problem }: FieldsProps) {
  const position = useStore((state) => state.position);
  const positions = useStore((state) => state.positions);
  const last = positions - 1;
  const ofSource = draft.encoder;
  const ranges: Array<[label: string, text: string]> = [['every position', '']];
  // The position that is chosen is one of the prompt.
  if (position !== null && !ofSource) {
    ranges.push([`only ${position}`, String(position)]);
    if (position < last) ranges.push([`${position} to ${last}`, `${position}-${last}`]);
    if (position > 0) ranges.push([`0 to ${position}`, `0-${position}`]);
  }
  return (
    <div>
      <Field
        label="Positions"
        hint={
          ofSource
            ? 'Of the source: 3-5, 9 or -1; empty: every position'
            : '3-5, 9 or -1; empty: every position, those of generated tokens too'
        }
        problem={messageAt(problem, 'positions')}
      >
        {(field) => (
          <input
            {...field}
            className="mono"
            placeholder="every position"
            value={draft.positions}
            onChange={(event) => set({ positions: event.target.value })}
          />
        )}
      </Field>
      <p className="ranges">
        {ranges.map(([label, text]) => (
          <button
            key={label}
            type="button"
            className="tiny"
            aria-pressed={draft.positions.trim() === text}
            onClick={() => set({ positions: text })}
          >
            {label}
          </button>
        ))}
      </p>
    </div>
  );
}

function TargetFields({ draft, set, model, problem }: FieldsProps & { model: ModelInfo }) {
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

/** Which pairs of query and key are knocked out, and what becomes of the others. */
function PairsFields({ draft, set, problem }: FieldsProps) {
  const isPair = isHead(draft.kind) && draft.query !== '';
  return (
    <div>
      {isPair ? null : (
        <div className="form-row">
          <Field label="Pairs">
            {(field) => (
              <select
                {...field}
                value={draft.between}
                onChange={(event) => set({ between: event.target.value as Draft['between'] })}
              >
                <option value="">named here</option>
                <option value="across">all across both texts of a sentence pair</option>
                <option value="within">all within each text of a sentence pair</option>
              </select>
            )}
          </Field>
          {draft.between === '' ? (
            <Field label="Query and key" hint="14<3, 15<3" problem={messageAt(problem, 'pairs')}>
              {(field) => (
                <input
                  {...field}
                  className="mono"
                  data-testid="edit-pairs"
                  value={draft.pairs}
                  onChange={(event) => set({ pairs: event.target.value })}
                />
              )}
            </Field>
          ) : null}
        </div>
      )}
      <label>
        <input
          type="checkbox"
          data-testid="edit-renormalise"
          checked={draft.renormalise}
          onChange={(event) => set({ renormalise: event.target.checked })}
        />{' '}
        Renormalise: the rest of each row sums to what all of it did
      </label>
    </div>
  );
}

function PairFields({ draft, set }: FieldsProps) {
  return (
    <details open={draft.query !== ''}>
      <summary>Only one pair of query and key</summary>
      <div className="form-row">
        <Field label="Query position">
          {(field) => (
            <input
              {...field}
              className="mono"
              value={draft.query}
              onChange={(event) => set({ query: event.target.value.trim() })}
            />
          )}
        </Field>
        <Field label="Key position">
          {(field) => (
            <input
              {...field}
              className="mono"
              value={draft.key}
              onChange={(event) => set({ key: event.target.value.trim() })}
            />
          )}
        </Field>
      </div>
    </details>
  );
}

function OperationFields({ draft, set, problem, model }: FieldsProps & { model: ModelInfo }) {
  const needsValue = takesValue(draft.operation);
  const legal = CHOOSABLE.filter((name) => fitsKind(name, draft.kind));
  return (
    <>
      <div className="form-row">
        <Field label="Operation">
          {(field) => (
            <select
              {...field}
              value={draft.operation}
              onChange={(event) => set({ operation: event.target.value as Operation })}
            >
              {legal.map((operation) => (
                <option key={operation} value={operation}>
                  {operationWords(operation)}
                </option>
              ))}
            </select>
          )}
        </Field>
        {needsValue ? (
          <Field
            label={draft.operation === 'scale' ? 'Factor' : 'Value'}
            hint={draft.operation === 'scale' ? 'one number' : 'one number, or a vector: 1, 2, …'}
            problem={messageAt(problem, 'value')}
          >
            {(field) => (
              <input
                {...field}
                className="mono"
                value={draft.value}
                onChange={(event) => set({ value: event.target.value })}
              />
            )}
          </Field>
        ) : null}
        {draft.kind === 'neuron' && takesStage(draft.operation) ? (
          <Field label="Stage">
            {(field) => (
              <select
                {...field}
                value={draft.stage}
                onChange={(event) => set({ stage: event.target.value as Edit['stage'] })}
              >
                <option value="post">after activation</option>
                <option value="pre">before activation</option>
              </select>
            )}
          </Field>
        ) : null}
        {takesSign(draft.operation) ? (
          <Field label="Sign">
            {(field) => (
              <select
                {...field}
                data-testid="edit-sign"
                value={draft.sign}
                onChange={(event) => set({ sign: event.target.value === '-1' ? -1 : 1 })}
              >
                <option value={1}>positive activation</option>
                <option value={-1}>negative activation</option>
              </select>
            )}
          </Field>
        ) : null}
      </div>
      <p className="faint operation-help">{OPERATION_HELP[draft.operation]}</p>
      {draft.operation === 'patch' ? (
        <PatchFields draft={draft} set={set} problem={problem} model={model} />
      ) : null}
    </>
  );
}

/** Of another run: what it is given, as the prompt bar asks for it, and which positions are taken. */
function PatchFields({ draft, set, problem, model }: FieldsProps & { model: ModelInfo }) {
  return (
    <div className="form-row">
      <Field label="From this prompt" problem={messageAt(problem, 'source')}>
        {(field) => (
          <input
            {...field}
            value={draft.source}
            onChange={(event) => set({ source: event.target.value })}
          />
        )}
      </Field>
      {model.n_encoder_layers > 0 ? (
        <Field label="And this source" hint="empty: the same one">
          {(field) => (
            <input
              {...field}
              data-testid="edit-source-source"
              value={draft.sourceSource}
              onChange={(event) => set({ sourceSource: event.target.value })}
            />
          )}
        </Field>
      ) : null}
      {has(model, 'pairs') || draft.sourcePair !== '' ? (
        <Field label="And this second text" hint="empty: none">
          {(field) => (
            <input
              {...field}
              data-testid="edit-source-pair"
              value={draft.sourcePair}
              onChange={(event) => set({ sourcePair: event.target.value })}
            />
          )}
        </Field>
      ) : null}
      <Field label="At its positions" hint="empty: the same ones">
        {(field) => (
          <input
            {...field}
            className="mono"
            value={draft.sourcePositions}
            onChange={(event) => set({ sourcePositions: event.target.value })}
          />
        )}
      </Field>
    </div>
  );
}

interface FieldProps {
  label: string;
  hint?: string;
  problem?: string | null;
  children: (field: {
    id: string;
    'aria-invalid': boolean;
    'aria-describedby': string | undefined;
  }) => ReactNode;
}

function Field({ label, hint, problem, children }: FieldProps) {
  const id = useId();
  const note = problem ?? hint;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({
        id,
        'aria-invalid': Boolean(problem),
        'aria-describedby': note ? `${id}-note` : undefined,
      })}
      {note ? (
        <span id={`${id}-note`} className={problem ? 'problem' : 'faint'}>
          {note}
        </span>
      ) : null}
    </div>
  );
}

function messageAt(problem: EditProblem | null, field: EditProblem['field']): string | null {
  return problem?.field === field ? problem.message : null;
}
