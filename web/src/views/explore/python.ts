/** The Python that asks the vector index the same, in the public names of the library. */
import { hitsQuestion, projectionPython, type HitsQuestion } from '../../shared/text/explore';
import { opening, quote } from '../../shared/text/python';
import type { Page } from '../../shared/view';
import { contextOf } from './context';

export function explorePython({ model, spec, position }: Page): string {
  const { explore } = spec;
  const context = contextOf(spec, position, model);
  const question = hitsQuestion(explore, context);
  const state = question?.path === 'similar' ? question.body.state : undefined;
  const edited = spec.edits.some((made) => made.enabled) ? ', edits=edits' : '';
  const lines = [
    ...(state
      ? opening(model.name, spec)
      : ['import unembed as ue', '', `model = ue.load(${quote(model.name)})`]),
    `index = ue.open_index(model${projectionPython(explore)})`,
    ...(state
      ? [
          `run = model.run(prompt, capture=[${quote(state.site)}]${edited})`,
          `state = run[${quote(state.site)}][${state.position}]`,
        ]
      : []),
    ...(question
      ? [
          `hits = ${callOf(question)}`,
          question.path === 'browse' ? 'print(*hits, sep="\\n")' : 'print(hits.to_pandas())',
        ]
      : []),
  ];
  return `${lines.join('\n')}\n`;
}

function callOf(question: HitsQuestion): string {
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
      ].join(', ')})`;
    }
    case 'token': {
      const { body } = question;
      return `index.token(${[quote(body.token), ...named('side', body.side, 'promoted'), ...paged(body)].join(', ')})`;
    }
    case 'similar':
      return `index.similar(${[similarTo(question.body), ...paged({ ...question.body, offset: 0 })].join(', ')})`;
    case 'browse': {
      const { layer, first, count } = question.body;
      return `index.browse(${layer}, ${first}, ${count})`;
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
