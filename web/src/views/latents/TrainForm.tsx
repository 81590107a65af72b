/** What an autoencoder is trained of, on how much; what it will take; and its beginning. */
import type { ReactNode } from 'react';
import { bytes, duration } from '../../draw/format';
import type { ModelInfo } from '../../shared/api/queries';
import { ErrorNote } from '../../shared/parts/ErrorNote';
import { ChooseFiles, Preparing, Row } from '../../shared/parts/Making';
import { Segments } from '../../shared/parts/parts';
import { change, useSpec } from '../../shared/state/store';
import {
  ACTIVATIONS,
  MOST,
  setLatents,
  SITES,
  useLatents,
  type LatentsState,
} from './latentsState';
import { asksColumn, corpusOf, lackOf, layerOf, nameOf, type Estimate, type Saes } from './request';
import { estimateIt, keyOf, stopSending, trainIt, useMaking, type Asked } from './training';

const KINDS = [
  ['autoencoder', 'autoencoder', 'Writes a site as a few of its latents'],
  ['transcoder', 'transcoder', 'Writes what a feed-forward adds as latents of what it reads'],
] as const;
const SOURCES = [
  ['corpus', 'a corpus', 'One that was built of this model'],
  ['files', 'files', 'They are sent to the server, and forgotten when it has learnt'],
] as const;
const ACTIVATION_NAMES: Readonly<Record<LatentsState['activation'], string>> = {
  topk: 'TopK',
  batchtopk: 'BatchTopK',
  jumprelu: 'JumpReLU',
};
const ACTIVATION_SAYS: Readonly<Record<LatentsState['activation'], string>> = {
  topk: 'at most k at a token',
  batchtopk: 'k in the mean of a batch',
  jumprelu: 'about k, which its loss aims at',
};

interface Props {
  model: ModelInfo;
  corpora: readonly { name: string; n_tokens: number }[];
  listed: Saes;
}

export function TrainForm({ model, corpora, listed }: Props) {
  const { doing } = useMaking();
  const draft = useLatents();
  const busy = doing !== null || listed.training !== null;
  return (
    <form
      className="latents-form"
      data-testid="train-form"
      onSubmit={(event) => {
        event.preventDefault();
      }}
    >
      <h2>Train one</h2>
      <fieldset className="making-fields" disabled={busy}>
        <legend className="visually-hidden">What is trained</legend>
        <Place model={model} draft={draft} />
        <Size draft={draft} />
        <Texts draft={draft} corpora={corpora} />
        <Whole
          label="Tokens"
          name="tokens"
          most={MOST.tokens}
          note="in all; where the texts have fewer, they come again"
        />
        <Whole
          label="Uses"
          name="uses"
          most={MOST.uses}
          note="of each activation: more need fewer passes"
        />
        <Row label="Name">
          <input
            className="mono"
            data-testid="train-name"
            maxLength={64}
            autoComplete="off"
            spellCheck={false}
            placeholder={nameOf({ ...draft, name: '' }, model)}
            value={draft.name}
            onChange={(event) => setLatents({ name: event.target.value })}
          />
        </Row>
      </fieldset>
      <Actions model={model} corpora={corpora} listed={listed} />
    </form>
  );
}

function Place({ model, draft }: { model: ModelInfo; draft: LatentsState }) {
  return (
    <>
      <div className="making-field">
        <span>Kind</span>
        <Segments
          name="train-kind"
          label="What it is"
          value={draft.kind}
          options={KINDS}
          onChange={(kind: LatentsState['kind']) => setLatents({ kind })}
        />
      </div>
      <Row label="Layer" note={`0–${model.n_layers - 1}`}>
        <input
          className="mono"
          type="number"
          min={0}
          max={model.n_layers - 1}
          data-testid="train-layer"
          value={layerOf(draft, model)}
          onChange={(event) => setLatents({ layer: wholeOf(event.target.value, 0, 9999) })}
        />
      </Row>
      {draft.kind === 'transcoder' ? (
        <>
          <div className="making-field">
            <span>Sites</span>
            <span className="mono">mlp_in → mlp_out</span>
          </div>
          <label className="making-field">
            <span>Skip</span>
            <input
              type="checkbox"
              data-testid="train-skip"
              checked={draft.skip}
              onChange={(event) => setLatents({ skip: event.target.checked })}
            />
            <span className="faint">a linear map beside the latents, learnt with them</span>
          </label>
        </>
      ) : (
        <Row label="Site">
          <select
            className="mono"
            data-testid="train-site"
            value={draft.site}
            onChange={(event) => setLatents({ site: event.target.value as LatentsState['site'] })}
          >
            {SITES.map((site) => (
              <option key={site}>{site}</option>
            ))}
          </select>
        </Row>
      )}
    </>
  );
}

function Size({ draft }: { draft: LatentsState }) {
  return (
    <>
      <Whole label="Latents" name="latents" most={MOST.latents} note="how many it is to have" />
      <Whole label="k" name="k" most={MOST.latents} note="how many are active at a token" />
      <Row label="Active" note={ACTIVATION_SAYS[draft.activation]}>
        <select
          data-testid="train-activation"
          value={draft.activation}
          onChange={(event) =>
            setLatents({ activation: event.target.value as LatentsState['activation'] })
          }
        >
          {ACTIVATIONS.map((one) => (
            <option key={one} value={one}>
              {ACTIVATION_NAMES[one]}
            </option>
          ))}
        </select>
      </Row>
    </>
  );
}

function Texts({ draft, corpora }: { draft: LatentsState; corpora: Props['corpora'] }) {
  const { files, column } = useMaking();
  return (
    <>
      <div className="making-field">
        <span>Learns from</span>
        <Segments
          name="train-source"
          label="What it learns from"
          value={draft.source}
          options={SOURCES}
          onChange={(source: LatentsState['source']) => setLatents({ source })}
        />
      </div>
      {draft.source === 'files' ? (
        <ChooseFiles
          files={files}
          testid="train-files"
          says="text, .jsonl, .parquet"
          onFiles={(chosen) => useMaking.setState({ files: chosen, error: null })}
        />
      ) : corpora.length > 0 ? (
        <Row label="Corpus">
          <select
            className="mono"
            data-testid="train-corpus"
            value={corpusOf(draft, corpora)}
            onChange={(event) => setLatents({ corpus: event.target.value })}
          >
            {corpora.map(({ name, n_tokens: n }) => (
              <option key={name} value={name}>
                {name}, {n.toLocaleString('en')} tokens
              </option>
            ))}
          </select>
        </Row>
      ) : (
        <p className="faint making-alone">
          This model has no corpus yet.{' '}
          <button type="button" className="link" onClick={() => change({ view: 'corpus' })}>
            Build one
          </button>
          , or learn from files.
        </p>
      )}
      {asksColumn(draft, files) ? (
        <Row label="Column" note="where the text is">
          <input
            className="mono"
            data-testid="train-column"
            maxLength={64}
            value={column}
            onChange={(event) => useMaking.setState({ column: event.target.value })}
          />
        </Row>
      ) : null}
    </>
  );
}

interface WholeProps {
  label: string;
  name: 'latents' | 'k' | 'tokens' | 'uses';
  most: number;
  note: string;
}

function Whole({ label, name, most, note }: WholeProps) {
  const draft = useLatents();
  return (
    <Row label={label} note={note}>
      <input
        className="mono"
        type="number"
        min={1}
        max={most}
        data-testid={`train-${name}`}
        value={draft[name]}
        onChange={(event) => setLatents({ [name]: wholeOf(event.target.value, 1, most) })}
      />
    </Row>
  );
}

function wholeOf(typed: string, low: number, high: number): number {
  return Math.min(high, Math.max(low, Math.round(Number(typed)) || low));
}

// ------------------------------------------------------------------ what it takes, its beginning

function Actions({ model, corpora, listed }: Props) {
  const { further, latents: draft } = useSpec();
  const { doing, files, progress, estimate, stopped, error } = useMaking();
  const asked: Asked = { draft, model, further, corpora };
  const lack = lackOf(draft, model, corpora, files);
  const known = estimate?.of === keyOf(asked) ? estimate.is : null;
  const train = () => void trainIt(asked);
  const ask = () => void estimateIt(asked);
  if (doing === 'sending' || doing === 'estimating')
    return (
      <Preparing
        doing={doing}
        progress={progress}
        says="some passes and steps of it, for a few seconds"
        testid="training-prepared"
        onCancel={stopSending}
      />
    );
  const running = listed.training !== null || doing !== null;
  return (
    <>
      {known ? <Takes known={known} /> : null}
      <p className="making-actions">
        <button
          type="button"
          className={known ? '' : 'primary'}
          disabled={lack !== null || running}
          data-testid="estimate-training"
          onClick={ask}
        >
          {known ? 'Estimate anew' : 'What will it take?'}
        </button>
        <button
          type="button"
          className={known ? 'primary' : ''}
          disabled={lack !== null || running}
          data-testid="train-sae"
          onClick={train}
        >
          Train it
        </button>
        <Said>
          {running ? null : (lack ?? (stopped ? 'Stopped; a checkpoint is kept.' : null))}
        </Said>
      </p>
      <ErrorNote error={error} retry={known ? train : ask} stale={false} />
    </>
  );
}

function Said({ children }: { children: ReactNode }) {
  return (
    <span className="faint" data-testid="train-lack">
      {children}
    </span>
  );
}

function Takes({ known }: { known: Estimate }) {
  const again = known.n_own > 0 ? known.n_tokens / known.n_own : 0;
  return (
    <p data-testid="training-estimate">
      About <span className="number">{duration(known.seconds)}</span> ·{' '}
      <span className="number">{bytes(known.memory)}</span> of memory ·{' '}
      <span className="number">{bytes(known.disk)}</span> on disk
      <span className="faint">
        {' '}
        · {Math.round(known.tokens_per_second).toLocaleString('en')} tokens a second, measured now
        {again > 1.5
          ? ` · the texts have ${known.n_own.toLocaleString('en')}: each comes about ${Math.round(again)} times`
          : ''}
      </span>
    </p>
  );
}
