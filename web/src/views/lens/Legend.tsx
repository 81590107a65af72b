/** What the colours mean, with their scale. */
import { useLayoutEffect, useRef, type ReactNode } from 'react';
import { colourBar, type Scale } from '../../draw/legendBar';
import { useTheme } from '../../shared/state/theme';

interface Props {
  scale: Scale;
  marks: boolean;
  children?: ReactNode;
}

export function Legend({ scale, marks, children }: Props) {
  const theme = useTheme((state) => state.theme);
  const bar = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => bar.current?.replaceChildren(colourBar(scale, theme)), [scale, theme]);
  return (
    <div className="legend" data-testid="legend">
      <div ref={bar} />
      {marks ? <span className="faint legend-mark">◥ the edits change the top token</span> : null}
      {children}
    </div>
  );
}
