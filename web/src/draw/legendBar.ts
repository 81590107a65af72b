/** A colour map as a bar, with what it is of and where its ends are. */
import { make } from './dom';
import { css, ENTRIES, table, type ColourMaps, type Theme } from './lut';

const STEPS = 32;

/** What the colours of a picture say. */
export interface Scale {
  kind: 'sequential' | 'diverging';
  /** What the colour is, in a sentence part: "probability of ␣Tokyo". */
  name: string;
  /** Labels from the left end of the legend to the right one. */
  ticks: string[];
  note: string;
}

export function colourBar(scale: Scale, theme: Theme, maps?: ColourMaps): HTMLElement {
  const colours = table(scale.kind, theme, maps);
  const stops = gradient((share) => css(colours[Math.round(share * (ENTRIES - 1))] ?? 0));
  return make(
    'figure',
    {},
    make(
      'figcaption',
      {},
      make('bdi', {}, scale.name),
      scale.note ? make('span', { class: 'faint' }, ` ${scale.note}`) : null,
    ),
    make(
      'div',
      { class: 'legend-scale' },
      bar(stops),
      make(
        'div',
        { class: 'legend-ticks' },
        ...scale.ticks.map((tick) => make('span', { class: 'number' }, tick)),
      ),
    ),
  );
}

/** CSS of a map from its left end to its right one. */
export function gradient(at: (share: number) => string): string {
  const stops = Array.from({ length: STEPS }, (_, step) => at(step / (STEPS - 1)));
  return `linear-gradient(to right, ${stops.join(',')})`;
}

export function bar(image: string): HTMLElement {
  const made = make('div', { class: 'legend-bar', 'aria-hidden': 'true' });
  made.style.backgroundImage = image;
  return made;
}
