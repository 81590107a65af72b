/** Vectors as a list that arrow keys walk through. */
import { useRef, useState, type KeyboardEvent } from 'react';
import type { Hits } from '../api/explore';
import type { ModelInfo } from '../api/queries';
import { pressed } from '../../draw/keys';
import { openPage } from '../state/exploring';
import { switchNode } from '../state/store';
import { HIT_KEYS } from './hitKeys';
import { hasTokens, HitRow } from './HitRow';

interface ListProps {
  hits: Hits['items'];
  model: ModelInfo | null;
  /** What the score is; "" where there is none. */
  unit: string;
}

/** Arrows move between hits; only the chosen one takes part in the order of Tab. */
export function HitList({ hits, model, unit }: ListProps) {
  const place = useRef<HTMLOListElement>(null);
  const [active, setActive] = useState(0);
  const most = Math.max(...hits.map((hit) => Math.abs(hit.score)), 1e-12);
  const at = Math.min(active, hits.length - 1);
  const move = (to: number) => {
    const next = Math.max(0, Math.min(hits.length - 1, to));
    setActive(next);
    place.current?.querySelectorAll<HTMLButtonElement>('.hit-node')[next]?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const node = hits[at]?.node;
    const key = pressed(HIT_KEYS, event);
    if (!node || key === null || !(event.target instanceof HTMLElement)) return;
    if (event.target.closest('.popover')) return;
    event.preventDefault();
    const acts: Record<keyof typeof HIT_KEYS, () => void> = {
      walk: () => move(STEPS[event.key]?.(at) ?? at),
      off: () => switchNode(node, 'zero'),
      on: () => switchNode(node, 'on'),
      page: () => openPage(node),
    };
    acts[key]();
  };
  return (
    <>
      <p className="hits-head faint" aria-hidden="true">
        <span>vector</span>
        <span>{unit}</span>
        {hits.some(hasTokens) ? (
          <span>
            <span className="hits-signs">+</span> promotes <span className="hits-signs">−</span>{' '}
            suppresses
          </span>
        ) : null}
      </p>
      {/* The keys of a row's buttons, caught in one place. */}
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions */}
      <ol className="hit-list" ref={place} onKeyDown={onKeyDown} data-testid="hits">
        {hits.map((hit, index) => (
          <HitRow
            key={`${hit.node} ${hit.written ?? ''}`}
            hit={hit}
            index={index}
            share={unit === '' ? null : hit.score / most}
            tabbable={index === at}
            onFocus={() => setActive(index)}
            model={model}
          />
        ))}
      </ol>
    </>
  );
}

const STEPS: Readonly<Record<string, (at: number) => number>> = {
  ArrowDown: (at) => at + 1,
  ArrowUp: (at) => at - 1,
  Home: () => 0,
  End: () => Infinity,
};
