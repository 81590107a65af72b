/** What colours and widths of the flow graph mean; a click on a colour hides what has it. */
import type { ReactNode } from 'react';
import { flowColours } from '../../draw/flow/colours';
import type { Flow as Graph } from '../../draw/flow/data';
import { targetName } from '../../draw/flow/text';
import { rank } from '../../draw/format';
import type { Group } from './flowState';
import { css } from '../../draw/lut';
import { toggleGroup, useFlowSpec } from './flowing';
import { useTheme } from '../../shared/state/theme';

const STEPS = 32;

interface Props {
  graph: Graph;
  vocabulary: number;
}

export function FlowLegend({ graph, vocabulary }: Props) {
  const { palette, colour } = useFlowSpec();
  const theme = useTheme((state) => state.theme);
  const colours = flowColours(palette, theme, vocabulary);
  const target = targetName(graph);
  const { positive, negative, norm, bias, residual_attn, residual_mlp } = colours.palette;
  const kinds = new Set(graph.baseline.links.map((link) => link.colour));
  const logarithmic = colours.palette.rank_scale === 'log';
  return (
    <div
      className="flow-legend"
      data-testid="legend"
      role="group"
      aria-label="Legend"
      title="A band is as wide as what passes is strong."
    >
      {colour === 'rank' ? (
        <Scale
          name={
            <>
              box: rank of <bdi className="token">{target}</bdi>
            </>
          }
          ends={['1', rank(vocabulary).slice(1)]}
          at={(share) =>
            colours.rank(logarithmic ? vocabulary ** share : Math.max(1, share * vocabulary))
          }
        />
      ) : null}
      {colour === 'attention' ? (
        <Scale name="box: attention" ends={['0', '1']} at={colours.attention} />
      ) : (
        <Scale name="attention" ends={['0', '1']} at={colours.attention} />
      )}
      <Scale
        name={colour === 'entropy' ? 'box and band: entropy' : 'band: entropy'}
        ends={['sharp', 'even']}
        at={(share) =>
          colours.entropy(share * entropySpan(colours.palette.entropy_bits, vocabulary))
        }
      />
      <Swatch colour={positive} group="neurons">
        active
      </Swatch>
      <Swatch colour={negative} group="neurons">
        negative
      </Swatch>
      <Swatch colour={norm}>into a norm</Swatch>
      {kinds.has('bias') ? (
        <Swatch colour={bias} group="biases">
          bias
        </Swatch>
      ) : null}
      <Swatch colour={residual_attn} group="residual">
        past attention
      </Swatch>
      <Swatch colour={residual_mlp} group="residual">
        past feed-forward
      </Swatch>
    </div>
  );
}

/** Nats at the end of the scale that is drawn. */
function entropySpan(bits: number | null, vocabulary: number): number {
  return bits === null ? Math.log(vocabulary) : Math.min(bits * Math.LN2, Math.log(vocabulary));
}

interface ScaleProps {
  name: ReactNode;
  ends: readonly [string, string];
  at: (share: number) => number;
}

function Scale({ name, ends, at }: ScaleProps) {
  const stops = Array.from({ length: STEPS }, (_, step) => css(at(step / (STEPS - 1))));
  return (
    <figure className="flow-scale">
      <figcaption>{name}</figcaption>
      <span className="number">{ends[0]}</span>
      <span
        className="legend-bar"
        aria-hidden="true"
        style={{ backgroundImage: `linear-gradient(to right, ${stops.join(',')})` }}
      />
      <span className="number">{ends[1]}</span>
    </figure>
  );
}

interface SwatchProps {
  colour: string;
  group?: Group;
  children: ReactNode;
}

function Swatch({ colour, group, children }: SwatchProps) {
  const { hidden } = useFlowSpec();
  const mark = <span className="flow-swatch" aria-hidden="true" style={{ background: colour }} />;
  if (!group)
    return (
      <span className="flow-key">
        {mark}
        {children}
      </span>
    );
  const off = hidden.includes(group);
  return (
    <button
      type="button"
      className={`flow-key ${off ? 'off' : ''}`}
      aria-pressed={!off}
      title={off ? 'Hidden: click to show' : 'Click to hide'}
      onClick={() => toggleGroup(group)}
    >
      {mark}
      {children}
    </button>
  );
}
