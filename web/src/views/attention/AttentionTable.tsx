/** The pairs that are drawn as a table, strongest first: for assistive technology, for find-in-page, for copying. */
import { Fragment, useState } from 'react';
import {
  comparable,
  modeName,
  panelModes,
  patternOf,
  sidesOf,
  valueAt,
  type Pattern,
} from '../../draw/attention/pattern';
import type { Attention, Mode } from '../../draw/attention/data';
import type { Focus } from '../../draw/attention/shown';
import { valueText } from '../../draw/attention/text';
import { signed } from '../../draw/format';
import type { ModelInfo } from '../../shared/api/queries';
import { Token } from '../../shared/parts/parts';
import { CutPair } from './AttentionFocus';
import { canCut, keptPairs, type Pair } from './pairs';
import type { Head } from './picks';

const PAGE = 100;

interface Props {
  attention: Attention;
  mode: Mode;
  /** Shown alone; null: all heads made one. */
  head: string | null;
  heads: readonly Head[];
  model: ModelInfo;
  /** Only the pairs of this token. */
  focus: Focus | null;
}

export function AttentionTable({ attention, mode, head, heads, model, focus }: Props) {
  const [first, setFirst] = useState(0);
  const sides = sidesOf(attention, mode).map((side) => patternOf(attention, side, head));
  const listed = listedPairs(attention, mode, head, focus);
  const start = first < listed.length ? first : 0;
  const pairs = listed.slice(start, start + PAGE);
  const [pattern] = sides;
  if (!pattern) return null;
  return (
    // A region that scrolls must be reachable by keyboard.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <section className="lens-table" tabIndex={0} aria-label="Attention as a table">
      <p className="pages">
        {pairs.length === 0 ? 'No pair is drawn.' : null}
        {pairs.length > 0 ? `Pairs ${start + 1}–${start + pairs.length} of ` : null}
        {listed.length > 0
          ? `${listed.length.toLocaleString('en')} drawn, strongest first. `
          : null}
        {listed.length > PAGE ? (
          <>
            <button
              type="button"
              className="link"
              disabled={start === 0}
              onClick={() => setFirst(Math.max(0, start - PAGE))}
            >
              Stronger
            </button>{' '}
            <button
              type="button"
              className="link"
              disabled={start + PAGE >= listed.length}
              onClick={() => setFirst(start + PAGE)}
            >
              Weaker
            </button>
          </>
        ) : null}
      </p>
      <table data-testid="attention-table">
        <caption className="visually-hidden">{attention.meta.unit}</caption>
        <thead>
          <tr>
            <th scope="col">looks</th>
            <th scope="col">is looked at</th>
            {sides.map(({ mode: side }) => (
              <th key={side} scope="col" className="number">
                {sides.length > 1 ? `${modeName(attention, side)}, ` : ''}
                {attention.meta.unit}
              </th>
            ))}
            {sides.length > 1 && comparable(attention) ? (
              <th scope="col" className="number">
                change
              </th>
            ) : null}
            <th scope="col">
              <span className="visually-hidden">cut</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {pairs.map((pair) => (
            <Row
              key={`${pair.query}<${pair.key}`}
              pair={pair}
              sides={sides}
              heads={heads}
              model={model}
            />
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** Of the difference where there is one, else of the sides, each pair once. */
function listedPairs(
  attention: Attention,
  mode: Mode,
  head: string | null,
  focus: Focus | null,
): Pair[] {
  const modes = panelModes(attention, mode);
  const drawn = modes.flatMap((one) => keptPairs(patternOf(attention, one, head)));
  if (modes.length > 1) drawn.sort((one, other) => Math.abs(other.value) - Math.abs(one.value));
  const each = new Map(drawn.toReversed().map((pair) => [`${pair.query}<${pair.key}`, pair]));
  const pairs = [...each.values()].toReversed();
  return focus ? pairs.filter((pair) => pair[focus.side] === focus.position) : pairs;
}

interface RowProps {
  pair: Pair;
  sides: Pattern[];
  heads: readonly Head[];
  model: ModelInfo;
}

function Row({ pair, sides, heads, model }: RowProps) {
  const values = sides.map((side) => valueAt(side, side.rowOf[pair.query] ?? -1, pair.key));
  const [before = 0, after = 0] = values;
  return (
    <tr>
      <th scope="row">
        <Place patterns={sides} side="query" position={pair.query} />
      </th>
      <td>
        <Place patterns={sides} side="key" position={pair.key} />
      </td>
      {values.map((value, at) => (
        <td key={sides[at]?.mode ?? at} className="number" title={String(value)}>
          {sides[at] ? valueText(sides[at], value) : null}
        </td>
      ))}
      {values.length > 1 && sides[0] && comparable(sides[0].attention) ? (
        <td className="number">{signed(after - before)}</td>
      ) : null}
      <td>
        {sides[0] && canCut(sides[0].attention, pair) ? (
          <CutPair heads={heads} model={model} pair={pair} />
        ) : null}
      </td>
    </tr>
  );
}

interface PlaceProps {
  patterns: readonly Pattern[];
  side: 'query' | 'key';
  position: number;
}

/** Both tokens where the two sides have others: one is masked, or there are two prompts. */
function Place({ patterns, side, position }: PlaceProps) {
  const tokens = patterns.flatMap((one) => one.tokens[side][position] ?? []);
  const each = tokens.filter(({ id }, at) => tokens.findIndex((one) => one.id === id) === at);
  return (
    <>
      <span className="faint number">{position}</span>{' '}
      {each.map((token, at) => (
        <Fragment key={token.id}>
          {at > 0 ? ' / ' : null}
          <Token token={token} />
        </Fragment>
      ))}
    </>
  );
}
