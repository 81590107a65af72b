/** A word cloud of tokens: the height of a word is proportional to its score. */
import { useLayoutEffect, useMemo, useRef, useState } from 'react';
import type { Schemas } from '../api/client';
import { layoutCloud } from '../../draw/wordcloud';
import { exploreWith } from '../state/exploring';

export type ScoredToken = Schemas['TokenScore'];

interface Props {
  tokens: readonly ScoredToken[];
  label: string;
  height: number;
}

const MOST = 50;
const FONT = "ui-monospace, 'DejaVu Sans Mono', 'Noto Sans Mono', monospace";
const SAMPLE = 40;

/** Width of a text at one pixel of size. */
function measurer(): (text: string) => number {
  const context = document.createElement('canvas').getContext('2d');
  if (!context) return (text) => 0.65 * text.length;
  context.font = `${SAMPLE}px ${FONT}`;
  return (text) => context.measureText(text).width / SAMPLE;
}

export function WordCloud({ tokens, label, height }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    if (!place.current) return;
    const observer = new ResizeObserver(([entry]) =>
      setWidth(Math.floor(entry?.contentRect.width ?? 0)),
    );
    observer.observe(place.current);
    return () => observer.disconnect();
  }, []);
  const listed = useMemo(
    () =>
      tokens.slice(0, MOST).map(({ token, score }) => ({
        text: token.label,
        weight: Math.abs(score),
        token,
        score,
      })),
    [tokens],
  );
  const cloud = useMemo(
    () => layoutCloud(listed, { width, height }, measurer()),
    [listed, width, height],
  );
  return (
    <div className="word-cloud" ref={place} style={{ height }}>
      {/* The same tokens with their numbers are in the table; this is the picture of it. */}
      <svg width={width} height={height} role="img" aria-label={`${label}: ${alternative(listed)}`}>
        {cloud.placed.map((word) => {
          const entry = listed[word.index];
          if (!entry) return null;
          return (
            <text
              key={word.index}
              x={word.x}
              y={word.y}
              fontSize={word.size}
              fontFamily={FONT}
              textAnchor="middle"
              dominantBaseline="central"
              className={entry.score < 0 ? 'negative' : 'positive'}
              opacity={0.55 + (0.45 * entry.weight) / (listed[0]?.weight ?? 1)}
              onClick={() =>
                exploreWith({
                  ask: 'token',
                  token: entry.token.text,
                  side: entry.score < 0 ? 'suppressed' : 'promoted',
                })
              }
            >
              <title>{`${entry.text}  ${entry.score.toPrecision(4)}`}</title>
              {entry.text}
            </text>
          );
        })}
      </svg>
      {cloud.left > 0 && width > 0 ? (
        <p className="faint cloud-left">{cloud.left} more in the table</p>
      ) : null}
    </div>
  );
}

function alternative(listed: ReadonlyArray<{ text: string }>): string {
  return listed
    .slice(0, 12)
    .map(({ text }) => text)
    .join(' ');
}
