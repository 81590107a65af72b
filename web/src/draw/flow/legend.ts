/** What colours of the flow graph stand for, as data: scales and plain colours, the same wherever shown. */
import { css } from '../lut';
import type { ColourBy, FlowColours } from './colours';
import type { Flow } from './data';
import type { Group } from './groups';
import { targetName } from './text';
import { rank } from '../format';

export interface LegendScale {
  name: string;
  ends: readonly [string, string];
  at: (share: number) => string;
}

export interface LegendKey {
  name: string;
  colour: string;
  /** What a click hides. */
  group?: Group;
}

export interface Legend {
  scales: LegendScale[];
  keys: LegendKey[];
}

export function flowLegend(
  graph: Flow,
  colours: FlowColours,
  by: ColourBy,
  vocabulary: number,
): Legend {
  const { palette } = colours;
  const logarithmic = palette.rank_scale === 'log';
  const most = entropySpan(palette.entropy_bits, vocabulary);
  const ranks = {
    name: `box: rank of ${targetName(graph)}`,
    ends: ['1', rank(vocabulary).slice(1)] as const,
    at: (share: number) =>
      css(colours.rank(logarithmic ? vocabulary ** share : Math.max(1, share * vocabulary))),
  };
  const biased = graph.baseline.links.some((link) => link.colour === 'bias');
  return {
    scales: [
      ...(by === 'rank' && targetName(graph) !== '' ? [ranks] : []),
      {
        name: by === 'attention' ? 'box and band: attention' : 'band: attention',
        ends: ['0', '1'],
        at: (share) => css(colours.attention(share)),
      },
      {
        name: by === 'entropy' ? 'box and band: entropy' : 'band: entropy',
        ends: ['sharp', 'even'],
        at: (share) => css(colours.entropy(share * most)),
      },
    ],
    keys: [
      { name: 'active', colour: palette.positive, group: 'neurons' },
      { name: 'negative', colour: palette.negative, group: 'neurons' },
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
