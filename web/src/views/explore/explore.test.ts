import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EXPLORE, neuronName, parseLayers } from '../../shared/text/explore';
import {
  formatLayers,
  hitsQuestion,
  splitWords,
  withMatched,
} from '../../shared/text/exploreQuestions';
import { edit } from '../../shared/text/edits';
import { DEFAULTS } from '../../app/address';
import { page } from '../../shared/pageExample';
import type { Spec } from '../../shared/text/url';
import { explorePython } from './python';
import { explore } from './exploreExample';

const here = { prompt: 'The cat', position: 1, row: 'L5.resid_post' };

describe('what is typed', () => {
  it('is parted into words at commas, each once', () => {
    expect(splitWords(' music, album ,,music')).toEqual(['music', 'album']);
    expect(splitWords(' , ')).toEqual([]);
  });

  it('names layers: one, a range, all; or is told what is wrong', () => {
    expect(parseLayers('')).toBeNull();
    expect(parseLayers('5')).toEqual([5, 5]);
    expect(parseLayers(' 3 – 9 ')).toEqual([3, 9]);
    expect(parseLayers('9-3')).toMatch(/first/);
    expect(parseLayers('x')).toMatch(/range/);
    expect(parseLayers('3-18', 18)).toBe('This model has layers 0–17.');
    expect(formatLayers([5, 5])).toBe('5');
    expect(formatLayers([3, 9])).toBe('3-9');
  });

  it('names neurons, as LM-Debugger spells them, too', () => {
    expect(neuronName('l12d512')).toBe('L12.N512');
    expect(neuronName('l6.f77')).toBe('L6.F77');
    expect(neuronName('L9.H6')).toBeNull();
    expect(neuronName('L12.N512@3')).toBeNull();
    expect(neuronName('music')).toBeNull();
  });
});

describe('a question to the index', () => {
  it('is not asked before it is complete', () => {
    expect(hitsQuestion(EXPLORE, here)).toBeNull();
    expect(hitsQuestion({ ...EXPLORE, ask: 'token' }, here)).toBeNull();
    expect(hitsQuestion({ ...EXPLORE, ask: 'similar' }, here)).toBeNull();
    const state = { ...EXPLORE, ask: 'similar', like: 'state' } as const;
    expect(hitsQuestion(state, { ...here, prompt: '' })).toBeNull();
    expect(hitsQuestion(state, here)).toMatchObject({
      body: { state: { site: 'L5.resid_post', position: 1 } },
    });
  });

  it('names exactly one thing to be similar to', () => {
    fc.assert(
      fc.property(explore, (state) => {
        const question = hitsQuestion({ ...state, ask: 'similar' }, here);
        if (!question) return;
        const named = ['target', 'tokens', 'state'].filter((name) => name in question.body);
        expect(named).toHaveLength(1);
      }),
    );
  });

  it('asks for a difference only where there is a second token', () => {
    const tokens = { ...EXPLORE, ask: 'similar', like: 'tokens', plus: ' king' } as const;
    expect(hitsQuestion(tokens, here)).toMatchObject({ body: { tokens: [' king'] } });
    expect(hitsQuestion({ ...tokens, minus: ' man' }, here)).toMatchObject({
      body: { tokens: [' king', ' man'] },
    });
  });
});

describe('the tokens of a hit', () => {
  const item = (id: number) => ({ token: { id } });

  it('mark those that were asked for, and add those further down', () => {
    const { listed, later } = withMatched([item(1), item(2), item(3)], [item(2), item(9)], 3);
    expect(listed.map((entry) => [entry.item.token.id, entry.matched])).toEqual([
      [1, false],
      [2, true],
      [3, false],
    ]);
    expect(later).toEqual([item(9)]);
  });
});

describe('the Python that asks the same', () => {
  const python = (asked: Partial<Spec['explore']>, spec: Partial<Spec> = {}) =>
    explorePython(
      page(
        'gpt2',
        { ...DEFAULTS, ...spec, explore: { ...EXPLORE, ...asked } },
        here.position ?? -1,
        6,
      ),
    );

  it('leaves defaults out', () => {
    expect(python({ words: 'music, album' })).toContain(
      'hits = index.search(["music", "album"], limit=25)\n',
    );
    expect(python({ words: 'music', side: 'both', ranking: 'bm25', layers: [3, 9] })).toContain(
      'index.search(["music"], side="both", ranking="bm25", layers=(3, 9), limit=25)',
    );
    expect(python({ words: 'music', projection: 'final_norm' })).toContain(
      'ue.open_index(model, projection="final_norm")',
    );
  });

  it('captures the state that vectors are to be similar to, in the edited run', () => {
    const asked = { ask: 'similar', like: 'state' } as const;
    const text = python(asked, { prompt: 'The cat', edits: [edit('L1.H2')] });
    expect(text).toContain('edits = [\n    ue.zero("L1.H2"),\n]');
    expect(text).toContain('run = model.run(prompt, capture=["L5.resid_post"], edits=edits)');
    expect(text).toContain('state = run["L5.resid_post"][1]');
    expect(text).toContain('index.similar(state, limit=25)');
  });

  it('asks for tokens, differences and layers', () => {
    expect(python({ ask: 'token', token: ' Tokyo' })).toContain('index.token(" Tokyo", limit=25)');
    expect(python({ ask: 'similar', like: 'tokens', plus: ' king', minus: ' man' })).toContain(
      'index.similar(ue.token_direction(model, " king", minus=" man"), limit=25)',
    );
    expect(python({ ask: 'browse', layer: 2, first: 50 })).toContain('index.browse(2, 50, 25)');
  });
});
