/** What colours of the flow graph stand for: scales and plain colours; a click on a colour hides what has it. */
import { button, make } from '../dom';
import { rank } from '../format';
import { bar, gradient } from '../legendBar';
import { css } from '../lut';
import { flowColours, type ColourBy, type FlowColours } from './colours';
import { hasReadings, type Flow } from './data';
import type { Group } from './groups';
import type { FlowDrawing } from './scene';
import { targetName } from './text';

export class FlowLegend {
  constructor(
    readonly element: HTMLElement,
    private readonly toggle: (group: Group) => void,
  ) {
    for (const [name, value] of Object.entries({
      class: 'flow-legend',
      role: 'group',
      'aria-label': 'Legend',
      title: 'A band is as wide as what passes is strong.',
      'data-testid': 'legend',
    }))
      element.setAttribute(name, value);
  }

  show(
    graph: Flow,
    drawing: Pick<FlowDrawing, 'palette' | 'theme' | 'colourBy' | 'vocabSize'>,
    hidden: readonly Group[],
  ): void {
    const { palette, theme, colourBy, vocabSize } = drawing;
    const colours = flowColours(palette, theme, vocabSize);
    const { scales, keys } = legendOf(graph, colours, colourBy, vocabSize);
    const made = keys.map((key) => keyOf(key, hidden, this.toggle));
    const root = this.element.getRootNode() as Document | ShadowRoot;
    const at = [...this.element.children].indexOf(root.activeElement ?? this.element);
    this.element.replaceChildren(...scales.map(scaleOf), ...made);
    // The keyboard stays on what it has just pressed.
    if (at >= 0) (this.element.children[at] as HTMLElement | undefined)?.focus();
  }

  destroy(): void {
    this.element.replaceChildren();
  }
}

// ------------------------------------------------------------------ as data

interface LegendScale {
  name: string;
  ends: readonly [string, string];
  at: (share: number) => string;
}

interface LegendKey {
  name: string;
  colour: string;
  /** What a click hides. */
  group?: Group;
}

interface Legend {
  scales: LegendScale[];
  keys: LegendKey[];
}

function legendOf(graph: Flow, colours: FlowColours, by: ColourBy, vocabulary: number): Legend {
  const { palette } = colours;
  const logarithmic = palette.rank_scale === 'log';
  const most = entropySpan(palette.entropy_bits, vocabulary);
  const ranks = {
    name: `box: rank of ${targetName(graph)}`,
    ends: ['1', rank(vocabulary).slice(1)] as const,
    at: (share: number) =>
      css(colours.rank(logarithmic ? vocabulary ** share : Math.max(1, share * vocabulary))),
  };
  const entropy: LegendScale = {
    name: by === 'entropy' ? 'box and band: entropy' : 'band: entropy',
    ends: ['sharp', 'even'],
    at: (share) => css(colours.entropy(share * most)),
  };
  const read = hasReadings(graph);
  const active = graph.baseline.nodes.some((node) => node.kind === 'neuron')
    ? ('neurons' as const)
    : ('latents' as const);
  const biased = graph.baseline.links.some((link) => link.colour === 'bias');
  return {
    scales: [
      ...(by === 'rank' && read && targetName(graph) !== '' ? [ranks] : []),
      {
        name: by === 'attention' ? 'box and band: attention' : 'band: attention',
        ends: ['0', '1'],
        at: (share) => css(colours.attention(share)),
      },
      ...(read ? [entropy] : []),
    ],
    keys: [
      { name: 'active', colour: palette.positive, group: active },
      { name: 'negative', colour: palette.negative, group: active },
      { name: 'into a norm', colour: palette.norm },
      ...(biased ? [{ name: 'bias', colour: palette.bias, group: 'biases' as const }] : []),
      { name: 'past attention', colour: palette.residual_attn, group: 'residual' },
      { name: 'past feed-forward', colour: palette.residual_mlp, group: 'residual' },
    ],
  };
}

/** Nats at the end of the scale that is drawn. */
function entropySpan(bits: number | null, vocabulary: number): number {
  return bits === null ? Math.log(vocabulary) : Math.min(bits * Math.LN2, Math.log(vocabulary));
}

// ------------------------------------------------------------------ as elements

function scaleOf({ name, ends, at }: LegendScale): HTMLElement {
  return make(
    'figure',
    { class: 'flow-scale' },
    make('figcaption', {}, make('bdi', {}, name)),
    make('span', { class: 'number' }, ends[0]),
    bar(gradient(at)),
    make('span', { class: 'number' }, ends[1]),
  );
}

/** A click hides what has the colour. */
function keyOf(
  { name, colour, group }: LegendKey,
  hidden: readonly Group[],
  toggle: (group: Group) => void,
): HTMLElement {
  const mark = make('span', { class: 'flow-swatch', 'aria-hidden': 'true' });
  mark.style.background = colour;
  if (!group) return make('span', { class: 'flow-key' }, mark, name);
  const off = hidden.includes(group);
  const made = button(name, () => toggle(group), off ? 'Hidden: click to show' : 'Click to hide');
  made.className = off ? 'flow-key off' : 'flow-key';
  made.setAttribute('aria-pressed', String(!off));
  made.prepend(mark);
  return made;
}
