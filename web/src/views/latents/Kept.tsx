/** What was trained here, with what came out; and what was stopped, which goes on. */
import { figures, percent } from '../../draw/format';
import type { ModelInfo } from '../../shared/api/queries';
import { Hidden } from '../../shared/parts/parts';
import { setLatents, useLatents } from './latentsState';
import { kept, type Saes, type Trained, type Unfinished } from './request';
import { attachIt, resumeIt, useMaking } from './training';

export function Kept({ listed, model }: { listed: Saes; model: ModelInfo }) {
  const { items, unfinished, training } = listed;
  const { doing, made } = useMaking();
  const busy = doing !== null || training !== null;
  return (
    <>
      {unfinished.length > 0 ? (
        <section data-testid="unfinished-saes">
          <h2>Stopped</h2>
          <ul className="latents-list">
            {unfinished.map((one) => (
              <Stopped key={one.name} one={one} busy={busy} />
            ))}
          </ul>
        </section>
      ) : null}
      <section data-testid="trained-saes">
        <h2>Trained here</h2>
        {items.length === 0 ? (
          <p className="faint">None yet.</p>
        ) : (
          <div className="latents-table">
            <table>
              <thead>
                <tr>
                  <th>Name</th>
                  <th className="number">Latents</th>
                  <th className="number">Tokens</th>
                  <th className="number" title="1 − |y − reconstruction|² / |y − mean y|²">
                    Explained
                  </th>
                  <th className="number" title="Latents that are not 0 at a token (L0)">
                    Active
                  </th>
                  <th className="number">Dead</th>
                  <th className="number" title="Of what ablation of the site to zero costs">
                    Loss kept
                  </th>
                  <th>
                    <Hidden>Attach</Hidden>
                  </th>
                </tr>
              </thead>
              <tbody>
                {items.map((one) => (
                  <Row
                    key={one.name}
                    one={one}
                    model={model}
                    busy={busy}
                    fresh={one.name === made}
                  />
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
    </>
  );
}

interface RowProps {
  one: Trained;
  model: ModelInfo;
  busy: boolean;
  /** It was trained just now. */
  fresh: boolean;
}

function Row({ one, model, busy, fresh }: RowProps) {
  const taken = model.attached.find(({ site }) => site === one.site);
  const { shown } = useLatents();
  const last = one.history.at(-1);
  const left = last ? kept(last) : null;
  const open = shown === one.name;
  return (
    <tr className={open ? 'chosen' : ''}>
      <td>
        <button
          type="button"
          className="link mono"
          aria-expanded={open}
          title={`${one.sae}, from ${one.texts}: its curves`}
          onClick={() => setLatents({ shown: open ? '' : one.name })}
        >
          {one.name}
        </button>
        <span className="faint mono">{one.site}</span>
      </td>
      <td className="number">{one.n_latents.toLocaleString('en')}</td>
      <td className="number">{one.n_tokens.toLocaleString('en')}</td>
      <td className="number">{last ? percent(last.explained) : null}</td>
      <td className="number">{last ? figures(last.active) : null}</td>
      <td className="number">{last?.dead.toLocaleString('en')}</td>
      <td className="number">{left === null ? '–' : percent(left)}</td>
      <td>
        <button
          type="button"
          className={fresh && !taken ? 'primary' : ''}
          disabled={busy || taken !== undefined}
          title={taken ? `${one.site} has one attached, ${taken.stem}: detach it first` : undefined}
          data-testid={`attach-${one.name}`}
          onClick={() => void attachIt(one.name)}
        >
          Attach
        </button>
      </td>
    </tr>
  );
}

function Stopped({ one, busy }: { one: Unfinished; busy: boolean }) {
  const { files } = useMaking();
  const { shown } = useLatents();
  const open = shown === one.name;
  const sent = one.corpus !== null || files.length > 0;
  return (
    <li>
      <button
        type="button"
        className="link mono"
        aria-expanded={open}
        title="Its curves so far"
        onClick={() => setLatents({ shown: open ? '' : one.name })}
      >
        {one.name}
      </button>{' '}
      <span className="faint">
        {one.n_tokens.toLocaleString('en')} of {one.n_wanted.toLocaleString('en')} tokens of{' '}
        {one.texts}
        {one.corpus === null ? ': choose the same files beside, and it goes on' : ''}
      </span>{' '}
      <button
        type="button"
        disabled={busy || !sent}
        data-testid={`resume-${one.name}`}
        onClick={() => void resumeIt(one)}
      >
        Go on
      </button>
    </li>
  );
}
