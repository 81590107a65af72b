/** What an edit does there, and from which prompt it patches. */
import { Field, messageAt, type FieldsProps } from './EditField';
import type { ModelInfo } from '../api/queries';
import {
  CHOOSABLE,
  fitsKind,
  OPERATION_HELP,
  operationWords,
  takesSign,
  takesStage,
  takesValue,
  type Edit,
  type Operation,
} from '../text/edits';
import { has } from '../view';

export function OperationFields({
  draft,
  set,
  problem,
  model,
}: FieldsProps & { model: ModelInfo }) {
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
      <Field label="Taken">
        {(field) => (
          <select
            {...field}
            data-testid="edit-take"
            value={draft.take}
            onChange={(event) => set({ take: event.target.value as typeof draft.take })}
          >
            <option value="same">as it is</option>
            <option value="mean">its mean</option>
            <option value="drawn">drawn</option>
          </select>
        )}
      </Field>
      {draft.take === 'drawn' ? (
        <Field label="Seed">
          {(field) => (
            <input
              {...field}
              className="mono"
              value={draft.seed}
              onChange={(event) => set({ seed: event.target.value })}
            />
          )}
        </Field>
      ) : (
        <Field
          label="At its positions"
          hint={draft.take === 'mean' ? 'empty: over all' : 'empty: the same ones'}
        >
          {(field) => (
            <input
              {...field}
              className="mono"
              value={draft.sourcePositions}
              onChange={(event) => set({ sourcePositions: event.target.value })}
            />
          )}
        </Field>
      )}
    </div>
  );
}
