/** The choices behind the words of the flow graph's quiet line. */
import { useTextTokens } from '../../shared/api/queries';
import { Check, Option } from '../../shared/parts/Choice';
import {
  COLOUR_BYS,
  GROUPS,
  type ColourBy,
  type Flow,
  type Group,
  type Palette,
} from './flowState';
import { showSpaces } from '../../draw/tokens';
import { setFlow, toggleGroup, useFlowSpec } from './flowing';
import { useSpec } from '../../shared/state/store';

// ------------------------------------------------------------------ target

/** What effects are on in a model that gives labels, and predicts no tokens. */
export function LabelMenu({ own }: { own: string | null }) {
  const { target } = useSpec();
  return (
    <>
      <h3>What effects are on</h3>
      <p className="option-note">
        The score of the label {own === null ? null : <bdi className="token">{own}</bdi>}
        {target === '' ? ', which scores highest' : ''}. Choose another one beside the prompt.
      </p>
    </>
  );
}

/** What boxes are rated by; text of several tokens is allowed here. */
export function TargetMenu({ own }: { own: string | null }) {
  const { target } = useSpec();
  const { target_mode: mode } = useFlowSpec();
  const tokens = (useTextTokens(target, target !== '').data?.tokens ?? []).filter(
    (token) => !token.special,
  );
  return (
    <>
      <h3>What every box is rated by</h3>
      {target === '' ? (
        <p className="option-note">
          The model’s own most likely token{' '}
          {own === null ? null : <bdi className="token">{own}</bdi>}. Type another as the target,
          beside the prompt.
        </p>
      ) : (
        <p className="option-note">
          <bdi className="token">{showSpaces(target)}</bdi>,{' '}
          {tokens.length === 1 ? 'one token' : `${tokens.length || '…'} tokens`}.
        </p>
      )}
      <Option
        group="target-mode"
        value="first"
        checked={mode === 'first'}
        onChange={() => setFlow({ target_mode: 'first' })}
        note="Of a text of several tokens only the first one counts."
      >
        First token
      </Option>
      <Option
        group="target-mode"
        value="whole"
        checked={mode === 'whole'}
        onChange={() => setFlow({ target_mode: 'whole' })}
        note="The product of the probabilities of all its tokens, and the worst of their ranks."
      >
        Whole text
      </Option>
    </>
  );
}

// ------------------------------------------------------------------ what is hidden

const GROUP_WORDS: Record<Group, string> = {
  heads: 'Heads',
  memory: 'Keys and values',
  z_rows: 'Rows of W_O',
  neurons: 'Neurons',
  latents: 'Latents and what they leave',
  biases: 'Biases',
  residual: 'Residual stream’s bands',
  rest: 'The rest',
};

export function groupWords(group: Group): string {
  return GROUP_WORDS[group];
}

export function hiddenWords(flow: Flow): string {
  const merged = flow.merge_neurons || flow.merge_values ? ['merged'] : [];
  const hidden = flow.hidden.map((group) => GROUP_WORDS[group].toLowerCase());
  const said = hidden.length > 2 ? [`${hidden.length} kinds`] : hidden;
  return [...said, ...merged].join(', ') || 'nothing';
}

export function HideMenu({ attached }: { attached: boolean }) {
  const flow = useFlowSpec();
  return (
    <>
      <h3>Shown in the picture</h3>
      {GROUPS.filter(
        (group) =>
          (group !== 'rest' || flow.rest) && (group !== 'latents' || (attached && flow.latents)),
      ).map((group) => (
        <Check
          key={group}
          name={`show-${group}`}
          checked={!flow.hidden.includes(group)}
          onChange={() => toggleGroup(group)}
        >
          {GROUP_WORDS[group]}
        </Check>
      ))}
      <p className="option-note">
        Hiding changes no number, and everything else keeps its place. Click a colour of the legend
        for the same.
      </p>
      <div className="menu-foot">
        <Check
          name="merge-neurons"
          checked={flow.merge_neurons}
          onChange={() => setFlow({ merge_neurons: !flow.merge_neurons })}
        >
          One box for a neuron’s key and value
        </Check>
        <Check
          name="merge-values"
          checked={flow.merge_values}
          onChange={() => setFlow({ merge_values: !flow.merge_values })}
        >
          One box for a position’s key and value
        </Check>
      </div>
    </>
  );
}

// ------------------------------------------------------------------ colours

const COLOUR_WORDS: Record<ColourBy, readonly [string, string]> = {
  rank: ['Rank of the target', 'How high each box’s own prediction ranks the target.'],
  entropy: ['Entropy', 'How undecided each box’s own prediction is.'],
  attention: ['Attention', 'How much the head attends to a key and its value; others stay plain.'],
};

const PLAIN = ['Nothing', 'No box predicts tokens: there is no rank and no entropy.'] as const;

const PALETTE_WORDS: ReadonlyArray<readonly [Palette, string, string]> = [
  ['unembed', 'Unembed', 'Safe with every kind of colour blindness, and in greyscale.'],
  [
    'visit',
    'VISIT',
    'The colours of VISIT’s figures: green for the best ranks, red for the worst.',
  ],
  ['visit-2', 'VISIT, colour-blind', 'The palette that VISIT has for colour-blind readers.'],
];

/** Where boxes predict no tokens they have no rank and no entropy: the colours that are left. */
const UNREAD: readonly ColourBy[] = ['rank', 'attention'];

export function colourWords(colour: ColourBy, reads: boolean): string {
  return reads || colour === 'attention' ? colour : 'plain';
}

export function ColoursMenu({ reads }: { reads: boolean }) {
  const flow = useFlowSpec();
  const words = reads ? COLOUR_WORDS : { ...COLOUR_WORDS, rank: PLAIN };
  const isOn = (colour: ColourBy) => colourWords(flow.colour, reads) === colourWords(colour, reads);
  return (
    <>
      <h3>What colours a box</h3>
      {(reads ? COLOUR_BYS : UNREAD).map((colour) => (
        <Option
          key={colour}
          group="colour-by"
          value={colour}
          checked={isOn(colour)}
          onChange={() => setFlow({ colour }, 'replace')}
          note={words[colour][1]}
        >
          {words[colour][0]}
        </Option>
      ))}
      <h3 className="menu-foot">Palette</h3>
      {PALETTE_WORDS.map(([palette, label, note]) => (
        <Option
          key={palette}
          group="palette"
          value={palette}
          checked={flow.palette === palette}
          onChange={() => setFlow({ palette }, 'replace')}
          note={note}
        >
          {label}
        </Option>
      ))}
    </>
  );
}
