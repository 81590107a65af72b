import { describe, expect, it } from 'vitest';
import { decodeSpec, DEFAULTS, encodeSpec } from '../../app/address';
import { page } from '../../shared/pageExample';
import { CORPUS } from './corpusState';
import { corpusPython } from './python';
import type { CorpusToken, Sentence } from './query';
import { isLabelled, layersOf, optionsOf, summedOf, type About } from './request';
import { around, litOf, saysOf, stretchesOf } from './sentence';

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
