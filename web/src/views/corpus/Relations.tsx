/** What heads look at over the corpus: each head with each relation, as a table that sorts. */
import { useState } from 'react';
import { count } from '../../draw/format';
import type { Analysis, ModelInfo } from '../../shared/api/queries';
import { Icon } from '../../shared/parts/parts';
import { openPage } from '../../shared/state/exploring';
import { change, useStore } from '../../shared/state/store';
import { formatPositions, parsePositions } from '../../shared/text/edits';
import { askCorpus, LEAST, SENTENCES, showCorpus, useCorpus } from './corpusState';
import type { Relation, Relations } from './query';
import { isLabelled, type About } from './request';

interface SetupProps {
  found: Relations | null;
  model: ModelInfo;
}

/** Which heads, in how much, and which relations. */
export function RelationsSetup({ found, model }: SetupProps) {
  const corpus = useCorpus();
  const names = found?.relations ?? [];
  const known = corpus.relation === '' || names.includes(corpus.relation);
  return (
    <div className="corpus-setup" role="group" aria-label="The question">
      <Layers model={model} />
      <label className="corpus-check">
        relation
        <select
          data-testid="relation"
          value={corpus.relation}
          onChange={(event) => askCorpus({ relation: event.target.value })}
        >
          <option value="">any</option>
          {[...names, ...(known ? [] : [corpus.relation])].map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <Amount
        label="at least"
        note="tokens that have one of the relation in sight: chance decides where there are few"
        name="least"
        choices={LEAST}
      />
      <span className="spring" />
      <Amount
        label="sentences"
        note="How many are drawn and run once more"
        name="sentences"
        choices={SENTENCES}
      />
    </div>
  );
}

interface AmountProps {
  label: string;
  note: string;
  name: 'least' | 'sentences';
  choices: readonly number[];
}

function Amount({ label, note, name, choices }: AmountProps) {
  const value = useCorpus()[name];
  const options = [...new Set([...choices, value])].toSorted((one, other) => one - other);
  return (
    <label className="corpus-check" title={note}>
      {label}
      <select
        data-testid={`relations-${name}`}
        value={value}
        onChange={(event) => askCorpus({ [name]: Number(event.target.value) })}
      >
        {options.map((one) => (
          <option key={one}>{one}</option>
        ))}
      </select>
    </label>
  );
}

function Layers({ model }: { model: ModelInfo }) {
  const { layers } = useCorpus();
  const written = layers.length === 0 ? '' : formatPositions(layers);
  const [draft, setDraft] = useState(written);
  const [from, setFrom] = useState(written);
  if (from !== written) {
    setFrom(written);
    setDraft(written);
  }
  const found = draft.trim() === '' ? [] : parsePositions(draft);
  const good = Array.isArray(found) && found.every((one) => one >= 0 && one < model.n_layers);
  const take = () => {
    if (good && draft !== written) askCorpus({ layers: found });
  };
  return (
    <label className="corpus-check">
      heads of layers
      <input
        className="mono corpus-heads"
        data-testid="relations-layers"
        aria-invalid={!good}
        placeholder="all"
        title={`0–${model.n_layers - 1}, as 0,3 or 2-5; nothing is all`}
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={take}
        onKeyDown={(event) => {
          if (event.key === 'Enter') take();
        }}
      />
    </label>
  );
}

// ------------------------------------------------------------------ the table

interface TableProps {
  analysis: Analysis<Relations>;
  about: About;
}

export function RelationsTable({ analysis, about }: TableProps) {
  const { data } = analysis;
  const { sentences, through } = useCorpus();
  if (!through && !data)
    return (
      <section className="welcome corpus-welcome" data-testid="relations-start">
        <h2>What does each head look at?</h2>
        <p>
          Of the tokens that have a token of a relation in sight, such as the word they depend on,
          the share whose most attended token is one; beside what chance, and the best fixed
          distance, would give.
        </p>
        <p>
          <button
            type="button"
            className="primary"
            data-testid="find-relations"
            onClick={() => showCorpus({ through: true })}
          >
            Look through {about.name}
          </button>{' '}
          <span className="faint">
            {count(Math.min(sentences, about.n_sentences), 'sentence')} are run once more, with all
            their attention; it can be cancelled
          </span>
        </p>
        {isLabelled(about) ? null : (
          <p className="faint">
            This corpus has no labels: neighbours, pieces of a word and equal words alone.
          </p>
        )}
      </section>
    );
  if (!data) return <div className="corpus-relations" />;
  return (
    <section
      className={`corpus-relations ${analysis.current ? '' : 'stale'}`}
      aria-busy={analysis.busy}
      aria-label="What heads look at"
    >
      <p className="corpus-count" data-testid="relations-count">
        {data.items.length.toLocaleString('en')} of {data.total.toLocaleString('en')} heads and
        relations
        <span className="faint">
          {' '}
          · {count(data.n_tokens, 'token')} in {count(data.n_sentences, 'sentence')}
        </span>
      </p>
      {data.items.length === 0 ? (
        <p className="corpus-none">No relation is in sight of so many tokens.</p>
      ) : (
        <Table items={data.items} />
      )}
    </section>
  );
}

const SORTED = [
  [
    'share',
    'share',
    'Of the tokens that have one in sight: the most attended token is one of the relation’s',
  ],
  ['gain', 'gain', 'Share less the larger of base and best distance'],
  ['lift', 'lift', 'Share over base; the interval is Wilson’s, 95%, of the share'],
  ['attention', 'attention', 'That goes to the relation’s tokens, the mean'],
] as const;

function Table({ items }: { items: readonly Relation[] }) {
  return (
    // A region that scrolls must be reachable by keyboard.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className="corpus-table" tabIndex={0} role="region" aria-label="Heads and relations">
      <table data-testid="relations">
        <thead>
          <tr>
            <th scope="col">head</th>
            <th scope="col">relation</th>
            <th scope="col" className="number" title="Tokens that have one in sight">
              tokens
            </th>
            <Sort by={SORTED[0]} />
            <th scope="col">
              <span className="visually-hidden">share, base and best distance</span>
            </th>
            <th
              scope="col"
              className="number"
              title="How often it would be one, were it any token in sight alike"
            >
              base
            </th>
            <th
              scope="col"
              className="number"
              title="How often the best fixed distance would hit: which a head may follow instead"
            >
              best distance
            </th>
            {SORTED.slice(1).map((by) => (
              <Sort key={by[0]} by={by} />
            ))}
            <th scope="col">
              <span className="visually-hidden">its attention</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {items.map((one) => (
            <Row key={`${one.node} ${one.relation}`} one={one} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Sort({ by: [sort, label, about] }: { by: (typeof SORTED)[number] }) {
  const sorted = useCorpus().sort === sort;
  return (
    <th scope="col" className="number" aria-sort={sorted ? 'descending' : undefined}>
      <button
        type="button"
        className="link"
        title={`${about}. Click: the largest first`}
        data-testid={`sort-${sort}`}
        onClick={() => askCorpus({ sort }, 'replace')}
      >
        {label}
        {sorted ? ' ↓' : ''}
      </button>
    </th>
  );
}

function Row({ one }: { one: Relation }) {
  const gain = one.share - Math.max(one.base, one.distance_share);
  const distance = `${one.distance > 0 ? '+' : one.distance < 0 ? '−' : ''}${Math.abs(one.distance)}`;
  return (
    <tr>
      <th scope="row">
        <button
          type="button"
          className="link mono"
          title={`${one.node}: its page`}
          onClick={() => openPage(one.node)}
        >
          {one.node}
        </button>
      </th>
      <td>
        <button
          type="button"
          className="link corpus-relation"
          title="Only this relation"
          onClick={() => askCorpus({ relation: one.relation })}
        >
          {one.relation}
        </button>
      </td>
      <td className="number">{one.n.toLocaleString('en')}</td>
      <td className="number">{one.share.toFixed(2)}</td>
      <td>
        <span className="corpus-share-bar" aria-hidden="true">
          <span style={{ width: `${100 * one.share}%` }} />
          <i style={{ left: `${100 * one.base}%` }} />
          <i className="distance" style={{ left: `${100 * one.distance_share}%` }} />
        </span>
      </td>
      <td className="number">{one.base.toFixed(2)}</td>
      <td className="number">
        {one.distance_share.toFixed(2)} <span className="faint">at {distance}</span>
      </td>
      <td className="number">{gain.toFixed(2).replace('-', '−')}</td>
      <td className="number" title={`95%: ${one.low.toFixed(2)}–${one.high.toFixed(2)}`}>
        {one.lift.toFixed(one.lift >= 10 ? 0 : 1)}
      </td>
      <td className="number">{one.attention.toFixed(2)}</td>
      <td>
        <button
          type="button"
          className="icon-button"
          aria-label={`${one.node} in the Attention view`}
          title="Its attention on the prompt"
          onClick={() => look(one)}
        >
          <Icon name="open" />
        </button>
      </td>
    </tr>
  );
}

/** The head alone, in the Attention view. */
function look({ layer, head }: Relation): void {
  const { attention } = useStore.getState().spec;
  change({
    view: 'attention',
    attention: { ...attention, picks: [{ part: 'self', layer, head, weight: 1 }] },
  });
}
