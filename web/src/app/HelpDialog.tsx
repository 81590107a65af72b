/** The keys that are bound now, and the words of the page. */
import type { Key } from '../draw/keys';
import { useStore } from '../shared/state/store';
import { useView } from '../shared/view';
import { Modal } from '../shared/parts/Modal';
import { Icon } from '../shared/parts/parts';
import { pageKeys } from './keyboard';

const WORDS: ReadonlyArray<readonly [string, string]> = [
  [
    'residual stream',
    'the vector that runs through all layers at a token; attention and feed-forward add to it',
  ],
  [
    'what a layer predicts',
    'its residual stream, read as if it were the last: final norm, then unembedding (logit lens)',
  ],
  [
    'read by',
    'what a row runs through before it is read: the final norm alone, or the last blocks of the model too',
  ],
  ['target, distractor', 'two tokens whose probability and rank are shown everywhere'],
  ['rank', '#1 is the most likely token'],
  [
    'sub-update, score, share',
    'what one neuron writes: activation times value vector; activation times its norm, signed; its part of all that the layer added',
  ],
  ['promotes, suppresses', 'tokens whose logits a write raises or lowers most, directly'],
  [
    'off, on',
    'a neuron or head writes nothing; a neuron writes as much as the strongest of its layer. LM-Debugger’s own off and on are in the menu ⋯',
  ],
  ['KL', 'how much of the final prediction a row misses, in nats; 0 is nothing'],
  ['edit', 'a change made while the model runs; all views then show baseline beside edited'],
  [
    'L9.H6, L12.N512',
    'head 6 of layer 9, feed-forward neuron 512 of layer 12; all counts start at 0',
  ],
  ['␣ ↵ ⇥', 'space, new line and tab, as they are part of tokens'],
];

export default function HelpDialog() {
  const close = () => useStore.setState({ help: false });
  return (
    <Modal open label="Help" testid="help-dialog" onClose={close}>
      <button
        type="button"
        className="icon-button popover-close"
        aria-label="Close"
        onClick={close}
      >
        <Icon name="close" />
      </button>
      <h2>Keyboard</h2>
      <KeyLists />
      <h2>Words</h2>
      <dl className="words">
        {WORDS.map(([word, what]) => (
          <div key={word}>
            <dt>{word}</dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <p className="faint">
        The address bar holds everything this page shows: copy it to come back, or to hand it on.
      </p>
    </Modal>
  );
}

/** Those of the view that is shown, then those of the page. */
export function KeyLists() {
  const view = useView();
  return (
    <>
      <h3>{view.label}</h3>
      <Keys keys={view.keys} />
      <h3>Everywhere</h3>
      <Keys keys={pageKeys(view)} />
    </>
  );
}

function Keys({ keys }: { keys: readonly Key[] }) {
  return (
    <dl className="keys">
      {keys.map(({ label, says }) => (
        <div key={`${label} ${says}`}>
          <dt>{label}</dt>
          <dd>{says}</dd>
        </div>
      ))}
    </dl>
  );
}
