/** What one node writes where it writes: the tokens that are promoted and suppressed, and where a head looks. */
import { scored } from '../../shared/parts/ComponentParts';
import { TokenChip } from '../../shared/parts/HitRow';
import { Token } from '../../shared/parts/parts';
import { openPage } from '../../shared/state/exploring';
import { change, useSpec } from '../../shared/state/store';
import { asSentence } from '../../shared/view';
import { figures, percent } from '../../draw/format';
import type { Schemas } from '../../shared/api/client';
import { useWritten } from './query';
import { componentOf, type Row } from './rows';

/** Height of an open row's second line, px. */
export const DETAIL = 104;
const LOOKED = 4;

const WITHOUT_PAGE: Readonly<Record<string, string>> = {
  error:
    'What the autoencoder does not say of its site, so that nothing changes where it stands; it has no page of its own.',
  stream: 'All that was written there up to this layer; it has no page of its own.',
};

interface Props {
  row: Row;
  side: 'baseline' | 'edited';
}

export function NodeDetail({ row, side }: Props) {
  const own = useSpec();
  const { beside: prompt } = own.attribution;
  const spec = row.other === null ? own : { ...own, prompt, edits: [] };
  const component = componentOf(row);
  const analysis = useWritten(spec, component, row.other ?? row.position ?? 0, side);
  const { data, error, busy } = analysis;
  if (component === null)
    return (
      <p className="faint" style={{ height: DETAIL }}>
        {WITHOUT_PAGE[row.kind] ??
          'A bias adds the same vector at every position; it has no page of its own.'}
      </p>
    );
  return (
    <div className="node-detail" style={{ height: DETAIL }} data-testid="node-detail">
      {error ? <p className="problem">{asSentence(error.message)}</p> : null}
      {!data && busy ? <p className="faint" data-busy="true" aria-busy="true" /> : null}
      {data ? <Written data={data} pair={row.key !== null} /> : null}
      <p className="node-detail-go">
        <button type="button" className="link" onClick={() => change({ node: component })}>
          Look at {component}
        </button>
        <button
          type="button"
          className="link"
          data-testid={`page-${row.id}`}
          onClick={() => openPage(component)}
        >
          Open its page
        </button>
      </p>
    </div>
  );
}

function Written({ data, pair }: { data: Schemas['Component']; pair: boolean }) {
  const here = data.tokens[data.position];
  return (
    <>
      <p>
        {pair ? 'The whole head' : 'It'} writes a vector of norm{' '}
        <span className="number">{figures(data.write_norm)}</span> at{' '}
        {here ? <Token token={here} /> : null}
        {data.attends_to && data.kind !== 'cross_head' ? <Looks data={data} /> : null}
      </p>
      {(['promotes', 'suppresses'] as const).map((title) => (
        <p key={title} className={`chips ${title}`}>
          <span className="faint node-detail-title">{title}</span>
          {scored(data[title]).map((item) => (
            <TokenChip key={item.token.id} item={item} />
          ))}
        </p>
      ))}
    </>
  );
}

/** The tokens that a head fetches most from there. */
function Looks({ data }: { data: Schemas['Component'] }) {
  const most = (data.attends_to ?? [])
    .map((share, at) => ({ share, at }))
    .toSorted((a, b) => b.share - a.share)
    .slice(0, LOOKED)
    .filter(({ share }) => share >= 0.005);
  return (
    <>
      , and looks at{' '}
      {most.map(({ share, at }, index) => {
        const token = data.tokens[at];
        return token ? (
          <span key={at}>
            {index > 0 ? ', ' : ''}
            <span className="faint number">{at}</span> <Token token={token} />{' '}
            <span className="number">{percent(share)}</span>
          </span>
        ) : null;
      })}
    </>
  );
}
