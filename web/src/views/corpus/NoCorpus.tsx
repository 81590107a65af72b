/** What stands there before there is a corpus, or a prompt. */
import type { ModelInfo } from '../../shared/api/queries';
import { exampleOf } from '../../shared/text/chat';
import { change } from '../../shared/state/store';
import { BuildCorpus } from './BuildCorpus';
import { askCorpus } from './corpusState';
import type { About } from './request';

const MOST_NAMED = 12;

interface Props {
  model: ModelInfo | null;
  listed: readonly About[];
  name: string;
}

export function NoCorpus({ model, listed, name }: Props) {
  const first = listed[0];
  if (model?.has_encoder)
    return (
      <section className="no-lens" data-testid="no-corpus">
        <h2>This model has no corpora</h2>
        <p>It is an encoder-decoder: a corpus has one text, and it reads two.</p>
      </section>
    );
  return (
    <section className="welcome corpus-welcome" data-testid="no-corpus">
      {first ? (
        <>
          <h2>There is no corpus “{name}”</h2>
          <p>
            This model has {listed.length === 1 ? 'another one' : 'others'}:{' '}
            {listed.slice(0, MOST_NAMED).map((one) => (
              <button
                key={one.name}
                type="button"
                className="link mono corpus-other"
                onClick={() => askCorpus({ name: one.name })}
              >
                {one.name}
              </button>
            ))}
            {listed.length > MOST_NAMED ? '…' : null}
          </p>
        </>
      ) : (
        <h2>Where else does the model treat a token like this one?</h2>
      )}
      <p>
        A corpus is your own texts as this model reads them: for every token what the model computed
        there, and its part of speech, dependency and entity. Then any token of a prompt can be
        looked for in it, by hidden state or by what chosen heads read.
      </p>
      {first ? null : (
        <>
          {model ? <BuildCorpus model={model} /> : null}
          <p className="faint">
            Large texts, and data sets that are folders, are better read where the server runs:{' '}
            <code>unembed index corpus {model?.name ?? 'MODEL'} texts/*.txt --name mine</code>
          </p>
        </>
      )}
    </section>
  );
}

/** There is a corpus, and nothing yet that could be looked for in it. */
export function NoPrompt({ model }: { model: ModelInfo | null }) {
  const example = model?.examples[0];
  return (
    <section className="welcome corpus-welcome" data-testid="corpus-no-prompt">
      <h2>Which tokens are like one of a prompt?</h2>
      <p>
        Run a prompt and choose a token of it: those of the corpus that are nearest to it are listed
        in their sentences, beside what they have in common.
      </p>
      {example ? (
        <button
          type="button"
          className="example"
          data-testid="example"
          onClick={() => change(exampleOf(example, model))}
        >
          <span className="faint">Try it</span> <span>{example}</span>
        </button>
      ) : null}
      <p>
        <button type="button" className="link" onClick={() => askCorpus({ ask: 'labels' })}>
          Or look at its tokens by word and label
        </button>
      </p>
    </section>
  );
}
