import { ApiError } from '../../shared/api/client';
import { describe, expect, it } from 'vitest';
import { decodeSpec, DEFAULTS, encodeSpec } from '../../app/address';
import { page } from '../../shared/pageExample';
import { besides, hasColumn } from '../../shared/api/uploads';
import { CORPUS } from './corpusState';
import { corpusPython } from './python';
import type { CorpusToken, Hit, Sentence } from './query';
import { isLabelled, layersOf, optionsOf, summedOf, type About } from './request';
import {
  errorOf,
  keyOf,
  lackOf,
  layersIn,
  nameOf,
  optionsOf as buildOptions,
  someLayers,
  takeUp,
  useMaking,
  withFiles,
} from './building';
import { listed, onlyOf, shownOf, writtenOnly } from './listing';
import { relationsOf } from './request';
import { isFromRight, around, litOf, saysOf, sourceOf, stretchesOf } from './sentence';

const ABOUT = {
  name: 'a',
  sites: ['L0.resid_post', 'L0.z', 'L6.resid_post'],
  files: ['a.txt'],
  spacy: 'en_core_web_sm 3.8',
} as unknown as About;

function token(position: number, start: number | null, end: number | null): CorpusToken {
  const said = { lemma: null, pos: null, tag: null, dep: null, entity: null, head: null };
  const made = { id: position, text: '', label: `t${position}`, special: start === null };
  return { position, token: made, start, end, word: null, ...said };
}

describe('a question to a corpus', () => {
  it('asks for what is not as at the start, and for heads of contexts alone', () => {
    const state = { ...CORPUS, heads: [1], weighting: 'query' as const, pos: ['VERB'] };
    expect(optionsOf(state, ABOUT, true, true)).toEqual({
      pos: ['VERB'],
      summarise: 'match',
      limit: 50,
    });
    expect(optionsOf({ ...state, by: 'context', layer: 0 }, ABOUT, true, true)).toMatchObject({
      by: 'context',
      layer: 0,
      heads: [1],
      weighting: 'query',
    });
    expect(optionsOf({ ...state, by: 'context' }, ABOUT, false, true)).not.toHaveProperty('by');
    const exact = { ...CORPUS, exact: true };
    expect(optionsOf(exact, ABOUT, true, true)).toMatchObject({ exact: true });
    expect(optionsOf(exact, ABOUT, false, true)).not.toHaveProperty('exact');
    expect(decodeSpec('v=1&view=corpus&cexact=1').spec.corpus.exact).toBe(true);
  });

  it('counts only labels that there are', () => {
    const bare = { ...ABOUT, spacy: '' };
    expect(isLabelled({ ...bare, files: ['x.conllu'] })).toBe(true);
    expect(summedOf(CORPUS, bare, true, true)).toBeNull();
    expect(summedOf({ ...CORPUS, of: 'attended' }, bare, true, true)).toBe('attended');
    expect(summedOf({ ...CORPUS, of: 'attended' }, ABOUT, false, true)).toBe('match');
    expect(summedOf({ ...CORPUS, of: 'next' }, ABOUT, true, false)).toBe('match');
  });

  it('knows which layers are kept of what', () => {
    expect(layersOf(ABOUT, 'hidden')).toEqual([0, 6]);
    expect(layersOf(ABOUT, 'context')).toEqual([0]);
  });

  it('is in the address, commas in words too, and damage is said', () => {
    const address = 'v=1&view=corpus&p=Hi&cc=a&cby=context&cheads=0%2C2&cword=%252C%2Cbank';
    const { spec, problems } = decodeSpec(address);
    expect(problems).toEqual([]);
    expect(spec.corpus).toMatchObject({ name: 'a', heads: [0, 2], word: [',', 'bank'] });
    expect(decodeSpec(encodeSpec(spec)).spec).toEqual(spec);
    expect(decodeSpec('cword=a%2C').problems).toHaveLength(1);
    expect(decodeSpec('cn=51').problems).toHaveLength(1);
  });

  it('is Python', () => {
    const corpus = {
      ...CORPUS,
      name: 'a',
      by: 'context' as const,
      layer: 6,
      heads: [3],
      limit: 100,
    };
    const written = corpusPython(page('gpt2', { ...DEFAULTS, prompt: 'Hi', corpus }, 0));
    expect(written).toBe(
      [
        'import unembed as ue',
        '',
        'model = ue.load("gpt2")',
        'prompt = "Hi"',
        'corpus = ue.open_corpus(model, "a")',
        'run = model.run(prompt, capture=corpus.required_capture(layer=6, by="context"))',
        'hits = corpus.search(run, 0, layer=6, by="context", heads=(3,), limit=100)',
        'print(hits.to_pandas())',
        '',
      ].join('\n'),
    );
  });
});

describe('a sentence', () => {
  const text = '😀 cat';
  const sentence = {
    tokens: [token(0, null, null), token(1, 0, 1), token(2, 0, 1), token(3, 2, 5)],
    attention: [0.5, 0.2, 0.1, 0.2],
  } as unknown as Sentence;
  const marks = { match: token(3, 2, 5), next: null };

  it('keeps its text whatever is known of its tokens', () => {
    for (const known of [null, sentence]) {
      const stretches = stretchesOf(text, marks, known);
      expect(stretches.map((one) => one.text).join('')).toBe(text);
      expect(around(stretches)[1].map((one) => one.text)).toEqual(['cat']);
    }
  });

  it('sums the attention of tokens that are bytes of one character', () => {
    const [smile] = stretchesOf(text, marks, sentence);
    expect(smile?.attention).toBeCloseTo(0.3);
    const inside = stretchesOf(text, { match: token(2, 0, 1), next: null }, sentence);
    expect(inside.map(({ match }) => match)).toEqual([true, false, false]);
  });

  it('says what a token is, and the rest of it only where it says more', () => {
    const verb = { ...token(0, 0, 3), word: 'ran', lemma: 'run', pos: 'VERB', tag: 'VBD' };
    expect(saysOf({ ...verb, dep: 'ROOT', head: 'ran' })).toBe('VERB VBD · ROOT · lemma run');
    expect(saysOf({ ...verb, lemma: 'ran', tag: 'VERB', dep: 'nsubj', head: 'sat' })).toBe(
      'VERB · nsubj of sat',
    );
  });

  it('has the attention of what was compared', () => {
    const data = { site: 'L6.z', heads: [1, 2] };
    expect(litOf(data as never, 9)).toEqual({ layer: 6, heads: [1, 2] });
    expect(litOf({ site: null, heads: null } as never, 9)).toEqual({ layer: 9, heads: [] });
  });
});

describe('the direction of a sentence', () => {
  it('is that of its first letter', () => {
    expect(['ذهب الولد', '123 שלום', '"مرحبا" he said'].map(isFromRight)).toEqual([
      true,
      true,
      true,
    ]);
    expect(['He said مرحبا', '他去', '🍕 12', ''].map(isFromRight)).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });
});

describe('what is listed', () => {
  const word = (at: number, said: string, pos: string): CorpusToken => ({
    ...token(at, 0, 1),
    token: { id: at, text: ` ${said}`, label: said, special: false },
    start: null,
    pos,
  });
  const hit = (row: number, match: CorpusToken, beside: Array<CorpusToken | null>, seen: number) =>
    ({
      row,
      match,
      next: null,
      attended: word(seen, 'x', 'ADP'),
      around: beside,
    }) as unknown as Hit;
  const items = [
    hit(1, word(3, 'sat', 'VERB'), [word(2, 'dog', 'NOUN'), null], 1),
    hit(2, word(2, 'Ran', 'VERB'), [word(1, 'cat', 'NOUN'), word(3, 'by', 'ADP')], 5),
    hit(3, word(2, 'ran', 'NOUN'), [null, word(3, 'At', 'ADP')], 2),
  ];
  const rows = (order: string) => listed(items, order, [-1, 2]).map(({ row }) => row);

  it('is sorted by words, whatever their case; what is not there comes last', () => {
    expect(rows('score')).toEqual([1, 2, 3]);
    expect(rows('match')).toEqual([3, 2, 1]); // of one word the noun first
    expect(rows('-1')).toEqual([2, 1, 3]);
    expect(rows('2')).toEqual([3, 2, 1]);
    expect(rows('4')).toEqual([1, 2, 3]); // no such column
  });

  it('shows tokens as they stand in the sentence, or a label of theirs', () => {
    const piece = { ...word(1, '##ED', 'VERB'), start: 7, end: 9, dep: 'ROOT' };
    const one = { ...hit(1, piece, [], 0), text: 'I 🍕 banked it' } as Hit;
    expect(shownOf(one, { ...piece, start: 4, end: 8 }, 'word')).toBe('bank');
    expect(shownOf(one, { ...piece, start: 8, end: 10 }, 'word')).toBe('ed');
    expect(shownOf(one, { ...piece, start: 1, end: 3 }, 'word')).toBe('🍕');
    expect(shownOf(one, piece, 'dep')).toBe('ROOT');
    expect(shownOf(one, { ...piece, entity: null }, 'entity')).toBe('');
    const added = { ...piece, token: { ...piece.token, label: '[CLS]', special: true } };
    expect(shownOf(one, added, 'pos')).toBe('[CLS]');
  });

  it('is sorted by what columns show', () => {
    const said = (column: 'word' | 'pos') =>
      listed(
        [
          hit(1, word(1, 'x', 'X'), [word(0, 'a', 'VERB')], 0),
          hit(2, word(1, 'x', 'X'), [word(0, 'b', 'ADP')], 0),
        ].map((one) => ({
          ...one,
          around: one.around.map((at) => at && { ...at, start: 0, end: 1 }),
          text: one.row === 1 ? 'a' : 'b',
        })),
        '-1',
        [-1],
        column,
      ).map(({ row }) => row);
    expect(said('word')).toEqual([1, 2]);
    expect(said('pos')).toEqual([2, 1]);
  });

  it('is narrowed by labels that have a name each', () => {
    const odd = { of: 'next', column: 'tag', label: 'a=b.\n' } as const;
    expect(onlyOf(writtenOnly(odd))).toEqual(odd);
    expect(onlyOf('match.pos=')).toEqual({ of: 'match', column: 'pos', label: '' });
    expect(onlyOf('match.pos')).toBeNull();
  });
});

describe('a corpus to be built', () => {
  it('is told of another of its name in the words of the form', () => {
    const body = {
      code: 'bad_input',
      message: 'there',
      field: 'name',
      fix: 'restart=True (--restart)',
    };
    const said = errorOf(new ApiError(400, body as never)).body;
    expect(said.fix).toContain('“It gets”');
    expect(said.message).toBe('there');
    const other = new ApiError(400, { ...body, field: 'files' } as never);
    expect(errorOf(other)).toBe(other);
  });

  const file = (name: string, text = 'abc') => new File([text], name, { lastModified: 7 });
  const { model } = page('gpt2', DEFAULTS, 0);
  const draft = {
    ...useMaking.getState().draft,
    ...withFiles(useMaking.getState().draft, [file('My texts (2).txt'), file('b.jsonl')]),
  };

  it('is named by its first file, and takes the newer of two files of a name', () => {
    expect(draft.name).toBe('My-texts-2');
    expect(nameOf('.hidden')).toBe('');
    expect(nameOf('Ünïcode.txt')).toMatch(/^[A-Za-z0-9]/);
    const again = withFiles(draft, besides(draft.files, [file('b.jsonl', 'longer')]));
    expect(again.files?.map(({ name, size }) => [name, size])).toEqual([
      ['My texts (2).txt', 3],
      ['b.jsonl', 6],
    ]);
  });

  it('asks for what is not as at the start', () => {
    expect(lackOf(draft, model)).toBeNull();
    expect(buildOptions(draft, model)).toEqual({});
    const full = {
      ...draft,
      layers: '0, 2-3',
      kept: 'hidden' as const,
      examples: 'heads' as const,
      spacy: 'x',
      column: 'body',
      metadata: ' author,meta.year, ,author',
      tables: ' s3://bucket/folder ',
    };
    expect(buildOptions(full, model)).toEqual({
      layers: [0, 2, 3],
      kept: 'hidden',
      examples: 'heads',
      spacy: 'x',
      column: 'body',
      metadata: ['author', 'meta.year'],
      tables: 's3://bucket/folder',
    });
    const texts = { ...full, files: draft.files.slice(0, 1) };
    expect(buildOptions(texts, model)).not.toHaveProperty('column'); // texts have none
    expect(buildOptions(texts, model)).not.toHaveProperty('metadata');
    expect(keyOf(draft, model)).not.toBe(keyOf(full, model));
    expect(keyOf({ ...draft, name: 'other' }, model)).toBe(keyOf(draft, model));
  });

  it('says what is missing', () => {
    expect(lackOf({ ...draft, files: [] }, model)).toContain('files');
    const heads = { ...draft, examples: 'heads' as const };
    expect(lackOf(heads, model)).toBeNull();
    expect(lackOf(heads, model, [1, 2])).toContain('heads can be kept in layers 1, 2:');
    expect(lackOf({ ...heads, layers: '2' }, model, [1, 2])).toContain('in layer 2:');
    expect(lackOf({ ...heads, layers: '0' }, model, [1, 2])).toBeNull();
    expect(lackOf({ ...heads, there: 'files' }, model, [1, 2])).toBeNull();
    expect(lackOf({ ...draft, examples: 'neurons' }, model, [1, 2])).toBeNull();
    expect(lackOf({ ...draft, name: '../a' }, model)).toContain('name');
    expect(lackOf({ ...draft, layers: '99' }, model)).toContain('Layers');
    expect(lackOf({ ...draft, maxTokens: 7 }, model)).toContain('8');
    for (const tables of ['ftp://host/x', 's3:/x', '/tmp'])
      expect(lackOf({ ...draft, tables }, model)).toContain('s3://');
    expect(layersIn('', 12)).toBeNull();
    expect(someLayers(12)).toBe('6, 11');
    expect(someLayers(1)).toBe('0');
  });

  it('takes up the settings of one that was stopped', () => {
    takeUp({
      name: 'mine',
      files: ['a.txt'],
      split: 'lines',
      max_tokens: 60,
      spacy: null,
      column: 'body',
      metadata: ['author', 'year'],
    });
    expect(useMaking.getState().draft).toMatchObject({
      name: 'mine',
      split: 'lines',
      maxTokens: 60,
      spacy: '',
      column: 'body',
      metadata: 'author, year',
    });
  });
});

describe('what heads look at', () => {
  it('is asked for with what is not as at the start, and is Python', () => {
    expect(relationsOf(CORPUS)).toEqual({ limit: 200 });
    const corpus = {
      ...CORPUS,
      name: 'a',
      ask: 'heads' as const,
      layers: [1],
      relation: 'head: det',
      sort: 'lift' as const,
      least: 5,
    };
    expect(relationsOf(corpus)).toEqual({
      layers: [1],
      relation: ['head: det'],
      sort: 'lift',
      min_count: 5,
      limit: 200,
    });
    const written = corpusPython(page('gpt2', { ...DEFAULTS, corpus }, 0));
    expect(written).toContain('corpus = ue.open_corpus(model, "a")');
    expect(written).toContain('sort="lift"');
    expect(written).toContain('relation=("head: det",)');
  });
});

describe('where a hit stands', () => {
  it('is its file, its record and the fields that are kept', () => {
    const hit = { file: 'a.jsonl', record: 3, metadata: { author: 'Austen', year: '1811' } };
    expect(sourceOf(hit as unknown as Hit)).toBe('a.jsonl, record 3 · author Austen · year 1811');
    expect(sourceOf({ ...hit, metadata: {} } as unknown as Hit)).toBe('a.jsonl, record 3');
  });
});

describe('files', () => {
  it('have a column where they are records, packed or not', () => {
    for (const name of ['a.jsonl', 'A.CSV', 'a.json.gz', 'a.tsv.zst', 'a.parquet']) {
      expect(hasColumn([new File([], name)])).toBe(true);
    }
    for (const name of ['a.txt', 'csv', 'a.txt.gz', 'a.conllu.gz']) {
      expect(hasColumn([new File([], name)])).toBe(false);
    }
  });
});
