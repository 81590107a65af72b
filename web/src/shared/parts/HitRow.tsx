/** One vector: its name, how well it answers, what it promotes and suppresses, what can be done. */
import type { Hit } from '../api/explore';
import type { ModelInfo } from '../api/queries';
import { NodeActions } from './NodeActions';
import { NodeName } from './NodeName';
import { Bar, Hidden, Icon, SignedBar } from './parts';
import { copyText } from './save';
import { withMatched } from '../text/exploreQuestions';
import { quantity } from '../../draw/format';
import { exploreWith, openPage } from '../state/exploring';
import { change, useSpec } from '../state/store';

interface Props {
  hit: Hit;
  index: number;
  /** Its score beside the largest; null where there is no score. */
  share: number | null;
  tabbable: boolean;
  onFocus: () => void;
  model: ModelInfo | null;
}

export function HitRow({ hit, index, share, tabbable, onFocus, model }: Props) {
  const { node } = useSpec();
  const tabIndex = tabbable ? 0 : -1;
  return (
    <li
      className={`hit ${node === hit.node ? 'chosen' : ''}`}
      data-testid={`hit-${index}`}
      data-node={hit.node}
    >
      <div className="hit-name">
        <button
          type="button"
          className="link mono hit-node"
          tabIndex={tabIndex}
          aria-pressed={node === hit.node}
          title={`Layer ${hit.layer}, neuron ${hit.neuron}: look at it here (p: open its page)`}
          onFocus={onFocus}
          onClick={() => change({ node: hit.node })}
        >
          {hit.node}
        </button>
        <NodeName node={hit.node} />
        {hit.written ? (
          <span className="faint mono" title="Where it writes this vector: it writes at several">
            at {hit.written}
          </span>
        ) : null}
        <span className="faint number" title={`norm of the value vector: ${hit.norm}`}>
          ‖v‖ {quantity(hit.norm)}
        </span>
      </div>
      <div className="hit-score">
        {share === null ? null : (
          <>
            <span className="number" title={String(hit.score)}>
              {scoreText(hit.score)}
            </span>
            {share < 0 ? <SignedBar share={share} /> : <Bar share={share} side="accent" />}
          </>
        )}
      </div>
      <div className="hit-tokens">
        {hasTokens(hit) ? (
          <>
            <Chips
              label="promotes"
              tokens={hit.promoted}
              matched={hit.matched.filter(up)}
              room={10}
            />
            <Chips
              label="suppresses"
              tokens={hit.suppressed}
              matched={hit.matched.filter(down)}
              room={5}
            />
          </>
        ) : null}
      </div>
      <Actions hit={hit} tabIndex={tabIndex} model={model} />
    </li>
  );
}

/** Without a language-model head no vector promotes any. */
export function hasTokens({ promoted, suppressed }: Hit): boolean {
  return promoted.length + suppressed.length > 0;
}

type Scored = Hit['matched'][number];
const up = (item: Scored) => item.score >= 0;
const down = (item: Scored) => item.score < 0;

function scoreText(value: number): string {
  return Math.abs(value) < 10 ? value.toFixed(3).replace('-', '−') : quantity(value);
}

interface ChipsProps {
  label: 'promotes' | 'suppresses';
  tokens: Scored[];
  matched: Scored[];
  room: number;
}

/** A token asks, when clicked, which vectors raise it most. The field above does the same by key. */
function Chips({ label, tokens, matched, room }: ChipsProps) {
  const { listed, later } = withMatched(tokens, matched, room);
  return (
    <p className={`chips ${label}`}>
      <span className="chips-sign" aria-hidden="true">
        {label === 'promotes' ? '+' : '−'}
      </span>
      <Hidden>{label} </Hidden>
      <span className="chips-listed">
        {listed.map(({ item, matched: marked }) => (
          <TokenChip key={item.token.id} item={item} marked={marked} />
        ))}
      </span>
      {later.length > 0 ? (
        <span className="chips-later" title="Further down its list">
          …
          {later.map((item) => (
            <TokenChip key={item.token.id} item={item} marked />
          ))}
        </span>
      ) : null}
    </p>
  );
}

export function TokenChip({ item, marked = false }: { item: Scored; marked?: boolean }) {
  const about = `${item.token.label}  ${scoreText(item.score)}  (id ${item.token.id}): which vectors promote it most?`;
  const inner = (
    <bdi className={`token ${item.token.special ? 'special' : ''}`}>{item.token.label}</bdi>
  );
  return (
    <button
      type="button"
      className="chip"
      tabIndex={-1}
      title={about}
      onClick={() =>
        exploreWith({
          ask: 'token',
          token: item.token.text,
          side: item.score < 0 ? 'suppressed' : 'promoted',
        })
      }
    >
      {marked ? <mark>{inner}</mark> : inner}
    </button>
  );
}

function Actions({
  hit,
  tabIndex,
  model,
}: {
  hit: Hit;
  tabIndex: number;
  model: ModelInfo | null;
}) {
  return (
    <div className="hit-actions">
      <NodeActions node={hit.node} model={model} tabbable={tabIndex === 0} />
      <button
        type="button"
        className="icon-button"
        tabIndex={tabIndex}
        aria-label={`Vectors similar to ${hit.node}`}
        title="Similar vectors"
        onClick={() => exploreWith({ ask: 'similar', like: 'node', node: hit.node })}
      >
        <Icon name="similar" />
      </button>
      <button
        type="button"
        className="icon-button"
        tabIndex={tabIndex}
        aria-label={`Copy ${hit.node}`}
        title="Copy its name"
        onClick={() => void copyText(hit.node, hit.node)}
      >
        <Icon name="copy" />
      </button>
      <button
        type="button"
        className="icon-button"
        tabIndex={tabIndex}
        aria-label={`Open the page of ${hit.node}`}
        title="Open its page (p)"
        data-testid={`page-${hit.node}`}
        onClick={() => openPage(hit.node)}
      >
        <Icon name="open" />
      </button>
    </div>
  );
}
