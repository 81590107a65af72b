/** Nodes by their labels: those that have some words; labels to and from a file. */
import { count } from '../../draw/format';
import { importLabels, useLabels } from '../../shared/api/nodeLabels';
import { FileButton } from '../../shared/parts/FileButton';
import { saveJson } from '../../shared/parts/save';
import { ask, openPage, useExplore } from '../../shared/state/exploring';
import { change } from '../../shared/state/store';
import { fromWords, matching, scoreWords } from '../../shared/text/nodeLabels';
import { useDraft, Line, Go } from './ExploreFields';

const MOST = 500;

export function ExploreLabels() {
  const { words } = useExplore();
  const [draft, setDraft] = useDraft(words);
  const all = useLabels().data ?? null;
  const found = all ? matching(all.labels, words) : [];
  return (
    <section className="explore-labels" data-testid="labels" aria-label="Labels of nodes">
      <Line label="Search by label" onSubmit={() => ask({ words: draft.trim() })}>
        <input
          className="explore-words"
          type="search"
          data-testid="label-words"
          aria-label="Words, or parts of words, of a label"
          placeholder="river"
          autoComplete="off"
          value={draft}
          onChange={(event) => setDraft(event.target.value)}
        />
        <Go testid="search-labels" label="Search" disabled={false} />
        {all ? (
          <button
            type="button"
            disabled={all.labels.length === 0}
            onClick={() => saveJson('labels.json', all)}
          >
            Save all as JSON
          </button>
        ) : null}
        <FileButton
          words="Labels from a file"
          accept=".json,.jsonl"
          testId="import-labels"
          open={(file) => void importLabels(file).catch(() => undefined)}
        />
      </Line>
      {all && all.labels.length === 0 ? (
        <p className="faint">
          No node has a label yet. A component’s page has “Say it in words”, and attribution says
          its first rows.
        </p>
      ) : (
        <p className="faint">
          {count(found.length, 'label')}
          {found.length > MOST ? `, the first ${MOST} of them` : ''}
        </p>
      )}
      <ul>
        {found.slice(0, MOST).map((label) => (
          <li key={`${label.node} ${label.source}`}>
            <button
              type="button"
              className="link mono"
              title="Look at it here"
              onClick={() => change({ node: label.node })}
            >
              {label.node}
            </button>{' '}
            <bdi className={label.supported === false ? 'faint' : undefined}>{label.text}</bdi>{' '}
            <span className="faint">
              {[fromWords(label), scoreWords(label)].filter(Boolean).join(': ')}
            </span>{' '}
            <button
              type="button"
              className="link"
              aria-label={`Open the page of ${label.node}`}
              onClick={() => openPage(label.node)}
            >
              page
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
