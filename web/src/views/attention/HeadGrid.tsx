/** All heads in small, by layer or by what they do: hover previews one, a click shows it too. */
import {
  Fragment,
  useEffect,
  useMemo,
  useRef,
  useState,
  type KeyboardEvent,
  type RefObject,
  type SyntheticEvent,
} from 'react';
import type { CardContent } from '../../draw/card';
import { pressed } from '../../draw/keys';
import type { ModelInfo } from '../../shared/api/queries';
import { useWorkspace, type NodeName } from '../../shared/api/workspace';
import { hidePeek, showPeek } from '../../shared/state/peek';
import { toggleAblation, useSpec } from '../../shared/state/store';
import { useTheme } from '../../shared/state/theme';
import { switchOf } from '../../shared/text/editList';
import type { Spec } from '../../shared/text/url';
import { setAttention, useAttentionSpec, type Order } from './attentionState';
import { HEAD_KEYS } from './headKeys';
import { HeadTile } from './HeadTile';
import { headName, mostHeads, parsePicks, partOf, toggled, type Head, type Part } from './picks';
import type { HeadScores } from './query';
import { found, headNames, kindOf, scoreFacts, scoreOf, scoreWords, sorted } from './scores';
import type { ThumbnailSides } from './thumbnails';

export interface HeadGridProps {
  model: ModelInfo;
  heads: readonly Head[];
  thumbnails: ThumbnailSides | null;
  scores: HeadScores | null;
  mode: Spec['mode'];
  /** The head under the pointer or the cursor; null: none any more. */
  preview: (head: string | null) => void;
}

/** Up to so many heads a layer is one row. */
const WIDEST_ROW = 16;

export function HeadGrid(props: HeadGridProps) {
  const { model, heads, scores, preview } = props;
  const { order, find, picks } = useAttentionSpec();
  const given = useGivenNames();
  const names = useShownNames(model, partOf(heads), given, scores);
  const box = useRef<HTMLDivElement>(null);
  const [cursor, setCursor] = useState<string | null>(null);
  const at = cursor !== null && names.includes(cursor) ? cursor : (names[0] ?? null);
  useInSight(box, heads[0] ? headName(heads[0]) : null, order);
  const widest = mostHeads(model, partOf(heads));
  const asRows = order === 'layer' && find.trim() === '' && widest <= WIDEST_ROW;
  const go = (name: string | null) => {
    if (name === null) return;
    setCursor(name);
    preview(name);
    box.current?.querySelector(`[data-head="${name}"]`)?.scrollIntoView({ block: 'nearest' });
  };
  const toggle = (name: string) => {
    const pick = parsePicks(name)?.[0];
    if (pick && pick.head !== null)
      setAttention({ picks: toggled(picks, model, { ...pick, head: pick.head }) });
  };
  return (
    <div
      ref={box}
      className={`head-grid ${asRows ? 'rows' : ''}`}
      style={asRows ? { gridTemplateColumns: `34px repeat(${widest}, minmax(0, 48px))` } : {}}
      role="listbox"
      aria-multiselectable="true"
      aria-label="Heads: arrow keys preview, Enter shows one too"
      aria-activedescendant={at === null ? undefined : `head-${at}`}
      tabIndex={0}
      data-testid="head-grid"
      onKeyDown={(event) => onKey(event, { at, names, box, go, toggle, preview })}
      onClick={(event) => {
        const name = headUnder(event);
        if (name === null) return;
        setCursor(name);
        toggle(name);
      }}
      onPointerOver={(event) => {
        const tile = tileUnder(event);
        const name = tile?.dataset['head'];
        if (!tile || name === undefined) return;
        preview(name);
        showPeek(tile.getBoundingClientRect(), cardOf(name, given.get(name) ?? null, scores));
      }}
      onPointerLeave={() => {
        preview(null);
        hidePeek();
      }}
      onBlur={() => preview(null)}
    >
      {names.length === 0 ? (
        <p className="option-note">No head is called “{find.trim()}”.</p>
      ) : null}
      <Tiles {...props} names={names} at={at} asRows={asRows} given={given} shown={heads} />
    </div>
  );
}

/** By layer the grid starts where the first of the heads shown is; else with those that do most. */
function useInSight(box: RefObject<HTMLElement | null>, name: string | null, order: Order): void {
  useEffect(() => {
    if (box.current && order !== 'layer') box.current.scrollTop = 0;
  }, [box, order]);
  useEffect(() => {
    const [grid, tile] = [box.current, box.current?.querySelector(`[data-head="${name}"]`)];
    if (order !== 'layer' || !grid || !(tile instanceof HTMLElement)) return;
    const { offsetTop: top, offsetHeight: height } = tile;
    const seen = top >= grid.scrollTop && top + height <= grid.scrollTop + grid.clientHeight;
    if (!seen) grid.scrollTop = top - (grid.clientHeight - height) / 2;
  }, [box, name, order]);
}

function useGivenNames(): ReadonlyMap<string, NodeName> {
  const names = useWorkspace().data?.names;
  return useMemo(() => new Map((names ?? []).map((named) => [named.node, named])), [names]);
}

function useShownNames(
  model: ModelInfo,
  part: Part,
  given: ReadonlyMap<string, NodeName>,
  scores: HeadScores | null,
): string[] {
  const { flipped } = useSpec();
  const { order, find } = useAttentionSpec();
  return useMemo(() => {
    const all = found(headNames(model, part), find, given);
    return order === 'layer' ? byLayer(all, flipped) : sorted(all, kindOf(order, scores), scores);
  }, [model, part, find, given, order, flipped, scores]);
}

function layerOf(name: string): string {
  return name.split('.')[0] ?? '';
}

/** The last layer at the top, as in all grids, unless they are turned round. */
function byLayer(names: readonly string[], flipped: boolean): string[] {
  const layers = [...new Set(names.map(layerOf))];
  if (!flipped) layers.reverse();
  return layers.flatMap((layer) => names.filter((name) => layerOf(name) === layer));
}

function tileUnder(event: SyntheticEvent): HTMLElement | null {
  return event.target instanceof Element ? event.target.closest<HTMLElement>('[data-head]') : null;
}

function headUnder(event: SyntheticEvent): string | null {
  return tileUnder(event)?.dataset['head'] ?? null;
}

function cardOf(name: string, given: NodeName | null, scores: HeadScores | null): CardContent {
  return {
    title: given?.name ? `${name} · ${given.name}` : name,
    ...(given?.note ? { note: given.note } : {}),
    sides: [{ side: 'baseline', top: [], facts: scores ? scoreFacts(scores, name) : [] }],
    hint: 'click shows it too',
  };
}

// ------------------------------------------------------------------ tiles

interface TilesProps extends HeadGridProps {
  names: readonly string[];
  at: string | null;
  asRows: boolean;
  given: ReadonlyMap<string, NodeName>;
  shown: readonly Head[];
}

function Tiles({ names, at, asRows, given, shown, ...props }: TilesProps) {
  const { edits } = useSpec();
  const { order } = useAttentionSpec();
  const theme = useTheme((state) => state.theme);
  const chosen = new Set(shown.map(headName));
  const { scores } = props;
  const kind = kindOf(order, scores);
  return names.map((name, place) => (
    <Fragment key={name}>
      {asRows && layerOf(name) !== layerOf(names[place - 1] ?? '') ? (
        <span className="head-layer faint mono" aria-hidden="true">
          {layerOf(name)}
        </span>
      ) : null}
      <HeadTile
        name={name}
        bare={asRows}
        chosen={chosen.has(name)}
        current={name === at}
        cut={switchOf(edits, name) === 'zero'}
        given={given.get(name)?.name || null}
        score={scores && kind !== null ? scoreWords(kind, scoreOf(scores, kind, name)) : null}
        thumbnails={props.thumbnails}
        mode={props.mode}
        theme={theme}
      />
    </Fragment>
  ));
}

// ------------------------------------------------------------------ keyboard

interface Keyed {
  at: string | null;
  names: readonly string[];
  box: RefObject<HTMLDivElement | null>;
  go: (name: string | null) => void;
  toggle: (name: string) => void;
  preview: HeadGridProps['preview'];
}

function onKey(event: KeyboardEvent, { at, names, box, go, toggle, preview }: Keyed): void {
  const key = pressed(HEAD_KEYS, event);
  if (key === null || at === null) return;
  event.preventDefault();
  if (key === 'walk') go(neighbour(event.key, at, names, box.current));
  else if (key === 'add') toggle(at);
  else if (key === 'only') setAttention({ picks: parsePicks(at) ?? [] });
  else if (key === 'off') toggleAblation(at);
  else preview(null);
}

const ALONG: Readonly<Record<string, number>> = { ArrowLeft: -1, ArrowRight: 1 };
const ACROSS: Readonly<Record<string, number>> = { ArrowUp: -1, ArrowDown: 1 };
const ENDS: Readonly<Record<string, number>> = { Home: 0, End: -1 };

function neighbour(
  key: string,
  at: string,
  names: readonly string[],
  box: HTMLElement | null,
): string | null {
  const along = ALONG[key];
  if (along !== undefined) return names[names.indexOf(at) + along] ?? null;
  const across = ACROSS[key];
  if (across !== undefined) return box && beyond(box, at, across);
  return names.at(ENDS[key] ?? 0) ?? null;
}

/** The nearest tile of the next row, however rows wrap. */
function beyond(box: HTMLElement, at: string, step: number): string | null {
  const tiles = [...box.querySelectorAll<HTMLElement>('[data-head]')];
  const from = tiles.find((tile) => tile.dataset['head'] === at);
  if (!from) return null;
  const [next] = tiles
    .filter((tile) => (tile.offsetTop - from.offsetTop) * step > 0)
    .toSorted(
      (a, b) =>
        (a.offsetTop - b.offsetTop) * step ||
        Math.abs(a.offsetLeft - from.offsetLeft) - Math.abs(b.offsetLeft - from.offsetLeft),
    );
  return next?.dataset['head'] ?? null;
}
