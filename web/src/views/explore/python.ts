/** The Python that asks the vector index the same, in the public names of the library. */
import {
  hitsQuestion,
  projectionPython,
  type HitsQuestion,
} from '../../shared/text/exploreQuestions';
import { quote } from '../../shared/text/options';
import { opening } from '../../shared/text/python';
import { furtherPython } from '../../shared/text/further';
import type { Page } from '../../shared/view';
import { QUESTIONS } from '../../questions.gen';
import { contextOf } from './context';

export function explorePython({ model, spec, position }: Page): string {
  const { explore } = spec;
  if (explore.ask === 'labels') return labelsPython(model.name, explore.words);
  const context = contextOf(spec, position, model);
  const question = hitsQuestion(explore, context);
  const state = question?.path === 'similar' ? question.body.state : undefined;
  const edited = spec.edits.some((made) => made.enabled) ? ', edits=edits' : '';
  const lines = [
    ...(state
      ? opening(model.name, spec)
      : ['import unembed as ue', '', `model = ue.load(${quote(model.name)})`]),
    ...(explore.among === 'latents' && explore.ask !== 'clusters'
      ? [
          'model.attach(ue.load_sae("path/to/the/autoencoder"))',
          `index = ue.latent_index(model${projectionPython(explore)})`,
        ]
      : [`index = ue.open_index(model${projectionPython(explore)})`]),
    ...(state
      ? [
          `run = model.run(prompt, capture=[${quote(state.site)}]${edited})`,
          `state = run[${quote(state.site)}][${state.position}]`,
        ]
      : []),
    ...(question
      ? [
          `hits = ${callOf(question, furtherPython(spec, question.path))}`,
          question.path === 'browse' ? 'print(*hits, sep="\\n")' : 'print(hits.to_pandas())',
        ]
      : []),
    ...clustersPython(spec),
  ];
  return `${lines.join('\n')}\n`;
}

function labelsPython(name: string, words: string): string {
  return `import unembed as ue

model = ue.load(${quote(name)})
print(*ue.Labels(model).search(${quote(words)}), sep="\\n")
`;
}

/** The groups that are shown, and the one that is looked into. */
function clustersPython(spec: Page['spec']): string[] {
  const { ask, clustering, cluster } = spec.explore;
  if (ask !== 'clusters' || clustering === null) return [];
  const given = [
    ...(clustering.n === null ? [] : [`n=${clustering.n}`]),
    ...named('method', clustering.method, METHOD.default),
    ...(clustering.seed === 0 ? [] : [`seed=${clustering.seed}`]),
    ...furtherPython(spec, cluster === null ? 'clusters' : 'cluster'),
  ];
  return [
    `groups = index.clusters(${given.join(', ')})`,
    cluster === null ? 'print(groups.sizes)' : `print(groups.cluster(${cluster}))`,
  ];
}

const { method: METHOD } = QUESTIONS.clusters;

function callOf(question: HitsQuestion, further: readonly string[]): string {
  switch (question.path) {
    case 'search': {
      const { body } = question;
      const words = `[${body.words.map(quote).join(', ')}]`;
      return `index.search(${[
        words,
        ...named('match', body.match, 'word'),
        ...named('combine', body.combine, 'any'),
        ...named('side', body.side, 'promoted'),
        ...named('ranking', body.ranking, 'strength'),
        ...paged(body),
        ...further,
      ].join(', ')})`;
    }
    case 'token': {
      const { body } = question;
      return `index.token(${[quote(body.token), ...named('side', body.side, 'promoted'), ...paged(body), ...further].join(', ')})`;
    }
    case 'similar':
      return `index.similar(${[similarTo(question.body), ...paged({ ...question.body, offset: 0 }), ...further].join(', ')})`;
    case 'browse': {
      const { layer, first, count } = question.body;
      return `index.browse(${[layer, first, count, ...further].join(', ')})`;
    }
  }
}

function similarTo(body: Extract<HitsQuestion, { path: 'similar' }>['body']): string {
  if (body.target !== undefined) return quote(body.target);
  if (body.state) return 'state';
  const [plus, minus] = body.tokens ?? [];
  return `ue.token_direction(model, ${quote(plus ?? '')}${minus ? `, minus=${quote(minus)}` : ''})`;
}

function named(name: string, value: string, omit: string): string[] {
  return value === omit ? [] : [`${name}=${quote(value)}`];
}

function paged(body: { layers: number[] | null; limit: number; offset: number }): string[] {
  return [
    ...(body.layers ? [`layers=(${body.layers.join(', ')})`] : []),
    `limit=${body.limit}`,
    ...(body.offset > 0 ? [`offset=${body.offset}`] : []),
  ];
}
