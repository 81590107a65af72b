/** Which corpus is asked, and what it is. */
import { bytes, count } from '../../draw/format';
import { Choice, Option } from '../../shared/parts/Choice';
import { askCorpus } from './corpusState';
import type { About } from './request';

export function CorpusMenu({ corpora, shown }: { corpora: readonly About[]; shown: About | null }) {
  return (
    <Choice
      name="corpus"
      head="in"
      says={shown ? <span className="mono">{shown.name}</span> : 'choose one'}
      changed={false}
      wide
    >
      {corpora.map((about) => (
        <Option
          key={about.name}
          group="corpus-name"
          value={about.name}
          checked={about.name === shown?.name}
          onChange={() =>
            askCorpus({ name: about.name, layer: null, file: [], metadata: [], through: false })
          }
          note={`${count(about.n_tokens, 'token')} with special ones, ${count(about.n_sentences, 'sentence')}, ${count(about.files.length, 'file')}, ${bytes(about.bytes)}${about.tables === null ? '' : `, vectors in ${about.tables}`}`}
        >
          <span className="mono">{about.name}</span>
        </Option>
      ))}
      <p>
        <button
          type="button"
          className="link"
          data-testid="build-another"
          onClick={() => askCorpus({ ask: 'build' })}
        >
          Build another, or add layers
        </button>
      </p>
      {shown ? (
        <p className="faint">
          Kept: {shown.sites.join(', ')}. Labels:{' '}
          {shown.spacy === '' ? 'of the files, if any' : shown.spacy}.
        </p>
      ) : null}
    </Choice>
  );
}
