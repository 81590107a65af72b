/** What the colours mean, with their scale. */
import type { ReactNode } from 'react';
import { css, table } from '../../draw/lut';
import type { Scale } from '../../draw/lens/paint';
import { useTheme } from '../../shared/state/theme';

const STEPS = 32;

interface Props {
  scale: Scale;
  marks: boolean;
  children?: ReactNode;
}

export function Legend({ scale, marks, children }: Props) {
  const theme = useTheme((state) => state.theme);
  const lut = table(scale.kind, theme);
  const colours = Array.from({ length: STEPS }, (_, step) =>
    css(lut[Math.round((step / (STEPS - 1)) * 255)] ?? 0),
  );
  return (
    <figure className="legend" data-testid="legend">
      <figcaption>
        <bdi>{scale.name}</bdi>
        {scale.note ? <span className="faint"> {scale.note}</span> : null}
      </figcaption>
      <div className="legend-scale">
        <div
          className="legend-bar"
          aria-hidden="true"
          style={{ backgroundImage: `linear-gradient(to right, ${colours.join(',')})` }}
        />
        <div className="legend-ticks">
          {scale.ticks.map((tick) => (
            <span key={tick} className="number">
              {tick}
            </span>
          ))}
        </div>
      </div>
      {marks ? <span className="faint legend-mark">◥ the edits change the top token</span> : null}
      {children}
    </figure>
  );
}
