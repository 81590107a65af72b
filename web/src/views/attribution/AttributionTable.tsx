/** Nodes, components or positions as a table of any length: only what is in sight is in the page. */
import { useRef, type KeyboardEvent } from 'react';
import type { ModelInfo } from '../../shared/api/queries';
import { pressed } from '../../draw/keys';
import { NONE } from '../../draw/format';
import { NodeActions } from '../../shared/parts/NodeActions';
import { NodeName } from '../../shared/parts/NodeName';
import { SignedBar, Token } from '../../shared/parts/parts';
import { openPage } from '../../shared/state/exploring';
import { change, switchNode, useSpec, useStore } from '../../shared/state/store';
import { parseTarget } from '../../shared/text/address';
import { ROW_KEYS, ROW_STEPS } from './attributionKeys';
import { setAttribution, traceOn, useAttributionSpec, type Attribution } from './attributionState';
import { NodeDetail, DETAIL } from './NodeDetail';
import {
  componentOf,
  keyOf,
  largest,
  scaleOf,
  type Column,
  type Row,
  type Shown,
  type Token as Word,
} from './rows';
import { ROW, useActive, useScroll, type MoveTo } from './tableScroll';
import { isTraceable, isWriter } from './trail';
import { firstInSight, topOf } from './window';

const MARGIN = 8;

interface Props {
  rows: readonly Row[];
  columns: readonly Column[];
  tokens: readonly Word[];
  shown: Shown;
  model: ModelInfo;
}

export function AttributionTable({ rows, columns, tokens, shown, model }: Props) {
  const { grouping, open } = useAttributionSpec();
  const place = useRef<HTMLElement>(null);
  const { scroll, height, onScroll } = useScroll(place);
  const [active, moveTo] = useActive(place, rows.length);
  const opened = grouping === 'nodes' ? rows.findIndex(({ id }) => id === open) : -1;
  const sizes = { row: ROW, detail: DETAIL, opened };
  const first = Math.max(0, firstInSight(scroll, sizes) - MARGIN);
  const last = Math.min(rows.length, firstInSight(scroll + height, sizes) + MARGIN);
  const most = largest(rows, columns);
  return (
    // A region that scrolls must be reachable by keyboard; keys of its rows are caught in one place.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <section
      ref={place}
      className="attribution-table"
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
      aria-label={`${TITLES[grouping]}, as a table`}
      onScroll={onScroll}
      onKeyDown={(event) => onKey(event, rows[active], active, moveTo)}
    >
      <table data-testid="attribution-table" aria-rowcount={rows.length + 1}>
        <thead>
          <tr>
            <Heads grouping={grouping} columns={columns} />
          </tr>
        </thead>
        <tbody>
          <Space height={topOf(first, sizes)} />
          {rows.slice(first, last).map((row, index) => {
            const at = first + index;
            return (
              <Line
                key={keyOf(row)}
                row={row}
                at={at}
                {...{ grouping, columns, tokens, shown, model }}
                most={most[scaleOf(row)] ?? 1}
                active={at === active}
                opened={at === opened}
                onFocus={() => moveTo(at, false)}
              />
            );
          })}
          <Space height={topOf(rows.length, sizes) - topOf(last, sizes)} />
        </tbody>
      </table>
    </section>
  );
}

const TITLES: Record<Attribution['grouping'], string> = {
  nodes: 'Nodes at their positions',
  components: 'Components, summed over positions',
  positions: 'Positions, summed over what writes there',
};

function Space({ height }: { height: number }) {
  return height > 0 ? (
    <tr aria-hidden="true" className="attribution-space">
      <td style={{ height }} />
    </tr>
  ) : null;
}

// ------------------------------------------------------------------ head

interface HeadsProps {
  grouping: Attribution['grouping'];
  columns: readonly Column[];
}

function Heads({ grouping, columns }: HeadsProps) {
  const { sort_by, order, beside } = useAttributionSpec();
  const own = (name: 'name' | 'position', label: string) => (
    <SortHead
      label={label}
      about={`Order by ${label}`}
      sorted={order === name ? 'ascending' : undefined}
      onClick={() => setAttribution({ order: order === name ? 'listed' : name }, 'replace')}
    />
  );
  return (
    <>
      {grouping === 'positions' ? (
        <th scope="col">position</th>
      ) : (
        <>
          {own('name', grouping === 'nodes' ? 'node' : 'component')}
          <th scope="col">kind</th>
        </>
      )}
      {grouping === 'nodes' ? own('position', 'position') : null}
      {columns.map(({ name, head, about, sort }) =>
        sort && (grouping === 'nodes' || sort.sort_by) && grouping !== 'positions' ? (
          <SortHead
            key={name}
            numeric
            label={head}
            about={`${about}. Click: largest either way first`}
            sorted={
              (sort.order ?? 'listed') === order && (sort.sort_by ?? sort_by) === sort_by
                ? 'descending'
                : undefined
            }
            onClick={() => setAttribution(sort)}
          />
        ) : (
          <th key={name} scope="col" className="number" title={about || undefined}>
            {headWords(head, beside !== '')}
          </th>
        ),
      )}
      {grouping === 'positions' ? null : (
        <th scope="col">
          <span className="visually-hidden">change it</span>
        </th>
      )}
    </>
  );
}

interface SortHeadProps {
  label: string;
  about: string;
  numeric?: boolean;
  sorted: 'ascending' | 'descending' | undefined;
  onClick: () => void;
}

function SortHead({ label, about, numeric = false, sorted, onClick }: SortHeadProps) {
  return (
    <th scope="col" className={numeric ? 'number' : ''} aria-sort={sorted}>
      <button
        type="button"
        className="link"
        title={about}
        data-testid={`sort-${label.split(/[ ,]/)[0]}`}
        onClick={onClick}
      >
        {label}
        {sorted ? <span aria-hidden="true">{sorted === 'ascending' ? ' ↑' : ' ↓'}</span> : null}
      </button>
    </th>
  );
}

// ------------------------------------------------------------------ rows

interface LineProps {
  row: Row;
  at: number;
  grouping: Attribution['grouping'];
  columns: readonly Column[];
  tokens: readonly Word[];
  shown: Shown;
  model: ModelInfo;
  most: number;
  active: boolean;
  opened: boolean;
  onFocus: () => void;
}

function Line({ row, at, grouping, columns, tokens, shown, model, most, ...rest }: LineProps) {
  const { active, opened, onFocus } = rest;
  const { node } = useSpec();
  const component = grouping === 'positions' ? null : componentOf(row);
  return (
    <>
      <tr
        className={`${component !== null && component === node ? 'chosen' : ''} ${active ? 'active' : ''}`}
        aria-rowindex={at + 2}
        data-row={at}
        data-testid={`row-${keyOf(row)}`}
      >
        {grouping === 'positions' ? (
          <th scope="row">
            <At at={row.position} tokens={tokens} />
          </th>
        ) : (
          <>
            <th scope="row">
              {grouping === 'nodes' ? <Expand row={row} opened={opened} /> : null}
              <Name row={row} component={component} active={active} onFocus={onFocus} />
            </th>
            <td className="faint">{kindWords(row, grouping)}</td>
          </>
        )}
        {grouping === 'nodes' ? (
          <td className="attribution-at">
            <At at={row.position} tokens={tokens} />
            {row.key === null ? null : (
              <>
                <span className="faint" title="looks at">
                  {' '}
                  ←{' '}
                </span>
                <At at={row.key} tokens={tokens} />
              </>
            )}
          </td>
        ) : null}
        {columns.map((column) => (
          <Cell key={column.name} column={column} value={row.numbers[column.name]} most={most} />
        ))}
        {grouping === 'positions' ? null : (
          <td className="attribution-actions">
            {grouping === 'nodes' ? <TraceButtons row={row} tabbable={active} /> : null}
            {row.other === null && parseTarget(row.id) ? (
              <NodeActions node={row.id} model={model} tabbable={active} />
            ) : null}
          </td>
        )}
      </tr>
      {opened ? (
        <tr className="attribution-detail">
          <td colSpan={columns.length + 4}>
            <NodeDetail row={row} side={shown === 'edited' ? 'edited' : 'baseline'} />
          </td>
        </tr>
      ) : null}
    </>
  );
}

function TraceButtons({ row, tabbable }: { row: Row; tabbable: boolean }) {
  const shared = { type: 'button', className: 'tiny trace-button' } as const;
  return (
    <>
      {isTraceable(row) ? (
        <button
          {...shared}
          tabIndex={tabbable ? 0 : -1}
          aria-label={`Trace ${row.id} upstream`}
          title="What made it: the nodes upstream of it (t)"
          data-testid={`trace-${keyOf(row)}`}
          onClick={() => up(row)}
        >
          trace
        </button>
      ) : null}
      {isWriter(row) ? (
        <button
          {...shared}
          tabIndex={tabbable ? 0 : -1}
          aria-label={`Trace ${row.id} downstream`}
          title="What it does to all that reads it, downstream (Shift t)"
          data-testid={`down-${keyOf(row)}`}
          onClick={() => down(row)}
        >
          ↓
        </button>
      ) : null}
    </>
  );
}

/** A reader through what it reads by, but a value: that is traced towards something. */
function up(row: Row): void {
  if (isTraceable(row)) traceOn(row.id, row.through === 'v' ? null : row.through, false);
}

function down(row: Row): void {
  if (isWriter(row)) traceOn(row.id, row.through, true);
}

/** Of two prompts the sides are these. */
function headWords(head: string, two: boolean): string {
  if (!two) return head;
  return head === 'edited' ? 'the other' : head.replace('baseline', 'this prompt');
}

function kindWords({ kind, through }: Row, grouping: Attribution['grouping']): string {
  if (through) return READS[through] ?? `${kind}, ${through === 'gate' ? 'gate' : 'input'}`;
  if (kind === 'pair' && grouping === 'components') return 'head';
  return KIND_WORDS[kind] ?? kind;
}

const READS: Readonly<Record<string, string>> = {
  q: 'score, by query',
  k: 'score, by key',
  v: 'value',
};

const KIND_WORDS: Readonly<Record<string, string>> = {
  embed: 'token',
  pair: 'head, pair',
  cross_head: 'head to source',
  query: 'query of head',
  key: 'key of head',
  attn: 'attention',
  mlp: 'feed-forward',
  cross: 'attention to source',
  ple: 'per-layer',
  latent_bias: 'autoencoder’s bias',
  error: 'autoencoder’s error',
  stream: 'residual stream',
};

function Expand({ row, opened }: { row: Row; opened: boolean }) {
  return (
    <button
      type="button"
      className="icon-button"
      tabIndex={-1}
      aria-expanded={opened}
      aria-label={`What ${row.id} writes`}
      title="What it writes (o)"
      data-testid={`expand-${row.id}`}
      onClick={() => setAttribution({ open: opened ? null : row.id }, 'replace')}
    >
      <span aria-hidden="true">{opened ? '▾' : '▸'}</span>
    </button>
  );
}

interface NameProps {
  row: Row;
  component: string | null;
  active: boolean;
  onFocus: () => void;
}

function Name({ row, component, active, onFocus }: NameProps) {
  return (
    <>
      <button
        type="button"
        className="link mono attribution-name"
        tabIndex={active ? 0 : -1}
        title={component ? `${component}: look at it here (p: open its page)` : row.id}
        aria-disabled={component === null}
        onFocus={onFocus}
        onClick={() => (component ? change({ node: component }) : undefined)}
      >
        {row.id}
      </button>
      {component ? <NodeName node={component} /> : null}
    </>
  );
}

function At({ at, tokens }: { at: number | null; tokens: readonly Word[] }) {
  const token = at === null ? undefined : tokens[at];
  return token ? (
    <>
      <span className="faint number">{at}</span> <Token token={token} />
    </>
  ) : null;
}

function Cell({
  column,
  value,
  most,
}: {
  column: Column;
  value: number | null | undefined;
  most: number;
}) {
  if (value === null || value === undefined)
    return (
      <td className="number faint">
        {column.name === 'measured' || column.name === 'activation' ? '' : NONE}
      </td>
    );
  return (
    <td className="number" title={String(value)}>
      {column.bar ? <SignedBar share={value / most} /> : null}
      <span>{column.write(value)}</span>
    </td>
  );
}

// ------------------------------------------------------------------ keyboard

function onKey(event: KeyboardEvent, row: Row | undefined, at: number, moveTo: MoveTo): void {
  const key = pressed(ROW_KEYS, event);
  if (!row || key === null || !(event.target instanceof HTMLElement)) return;
  if (event.target.closest('.popover, input, textarea, select')) return;
  event.preventDefault();
  event.stopPropagation();
  const component = componentOf(row);
  const acts: Record<keyof typeof ROW_KEYS, () => void> = {
    walk: () => moveTo(at + (ROW_STEPS[event.key] ?? 0)),
    expand: () => toggleOpen(row.id),
    off: () => (row.other === null && parseTarget(row.id) ? switchNode(row.id, 'zero') : undefined),
    page: () => (component ? openPage(component) : undefined),
    trace: () => up(row),
    down: () => down(row),
  };
  acts[key]();
}

/** Nodes alone say what they write. */
function toggleOpen(id: string): void {
  const { open, grouping } = useStore.getState().spec.attribution;
  if (grouping === 'nodes') setAttribution({ open: open === id ? null : id }, 'replace');
}
