/** One head in small: its thumbnail, whether it is shown, what it is called, what it scores. */
import { memo, useLayoutEffect, useRef } from 'react';
import type { Theme } from '../../draw/lut';
import type { Spec } from '../../shared/text/url';
import { thumbnail, type ThumbnailSides } from './thumbnails';

/** Screen pixels per cell. */
const SHARP = 1.5;

interface Props {
  name: string;
  /** Its place says which head it is: no caption. */
  bare: boolean;
  chosen: boolean;
  /** The cursor of the keyboard is on it. */
  current: boolean;
  cut: boolean;
  /** Its name, given by a person. */
  given: string | null;
  /** In words, where heads are sorted by one. */
  score: string | null;
  thumbnails: ThumbnailSides | null;
  mode: Spec['mode'];
  theme: Theme;
}

/** Drawn again only where something of it changes: there may be a thousand. */
export const HeadTile = memo(function Tile(props: Props) {
  const { name, bare, chosen, current, cut, given, score } = props;
  const said = [name, given, score, cut ? 'cut' : null].filter((part) => part);
  return (
    <div
      id={`head-${name}`}
      role="option"
      aria-selected={chosen}
      aria-label={said.join(', ')}
      className={`head-tile ${chosen ? 'chosen' : ''} ${current ? 'current' : ''} ${cut ? 'cut' : ''}`}
      data-head={name}
      data-testid={`tile-${name}`}
    >
      <Thumbnail {...props} />
      {given && bare ? <span className="head-mark" aria-hidden="true" /> : null}
      {bare ? null : (
        <span className="head-caption">
          <span className="mono">{name}</span>
          {score ? <span className="number">{score}</span> : null}
          {given ? <bdi className="node-name">{given}</bdi> : null}
        </span>
      )}
    </div>
  );
});

function Thumbnail({ name, thumbnails, mode, theme }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const colours = thumbnails && thumbnail(thumbnails, name, mode, theme);
    const context = canvas.current?.getContext('2d');
    if (!canvas.current || !context || !thumbnails || !colours) return;
    const { rows, columns } = thumbnails.baseline;
    Object.assign(canvas.current, { width: columns, height: rows });
    // Fewer pixels than cells: some would be left out.
    const small = canvas.current.clientWidth < SHARP * columns;
    canvas.current.style.imageRendering = small ? 'auto' : 'pixelated';
    const image = new ImageData(new Uint8ClampedArray(colours.buffer), columns, rows);
    context.putImageData(image, 0, 0);
  }, [thumbnails, name, mode, theme]);
  return <canvas ref={canvas} aria-hidden="true" width={1} height={1} />;
}
