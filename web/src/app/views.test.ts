import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { beforeEach, describe, expect, it } from 'vitest';
import { dispatch, pressed, type Key, type Stroke } from '../draw/keys';
import { HIT_KEYS } from '../shared/parts/hitKeys';
import { RANGE_KEYS, STRIP_KEYS } from '../shared/parts/stripKeys';
import { ViewBar } from '../shared/parts/ViewBar';
import { change, setAddress, useStore } from '../shared/state/store';
import { integer, viewState } from '../shared/text/fields';
import { addressOf } from '../shared/text/url';
import { Views, type View } from '../shared/view';
import { VIEWS } from '../views';
import { ATTENTION_KEYS } from '../draw/attention/keys';
import { CIRCUIT_KEYS } from '../draw/circuit/keys';
import { GRAPH_KEYS, POINTED_KEYS } from '../draw/flow/keys';
import { FEATURE_KEYS } from '../draw/graph/keys';
import { GRID_KEYS } from '../draw/lens/keys';
import { ROW_KEYS } from '../views/attribution/attributionKeys';
import { HEAD_KEYS } from '../views/attention/headKeys';
import { CORPUS_KEYS } from '../views/corpus/corpusKeys';
import { PART_KEYS } from '../views/predictions/predictionsKeys';
import { address } from './address';
import { KeyLists } from './HelpDialog';
import { pageKeys } from './keyboard';
import { PROMPT_KEYS } from './promptKeys';

/** Bound by the part of the page that has the focus. */
const INSIDE: Record<string, Readonly<Record<string, Key>>> = {
  ATTENTION_KEYS,
  CIRCUIT_KEYS,
  CORPUS_KEYS,
  FEATURE_KEYS,
  HEAD_KEYS,
  HIT_KEYS,
  RANGE_KEYS,
  STRIP_KEYS,
  GRAPH_KEYS,
  POINTED_KEYS,
  GRID_KEYS,
  PART_KEYS,
  PROMPT_KEYS,
  ROW_KEYS,
};

const stroke = (key: string, more: Partial<Stroke> = {}): Stroke => ({
  key,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  shiftKey: false,
  target: null,
  ...more,
});

const listed = (view: View) => [...view.keys, ...pageKeys(view)];
const viewOf = (id: string): View => {
  const found = VIEWS.find((view) => view.id === id);
  if (!found) throw new Error(`there is no view ${id}`);
  return found;
};

beforeEach(() => setAddress(address));

describe('every key of the help dialog', () => {
  it.each(VIEWS.map((view) => [view.id, view] as const))('is bound in %s', (_id, view) => {
    const inside = Object.values(INSIDE).flatMap((table) => Object.values(table));
    for (const key of listed(view)) {
      expect(key.on.length).toBeGreaterThan(0);
      expect(key.act !== undefined || inside.includes(key), key.says).toBe(true);
    }
  });

  it('that a part of the page binds is looked up in its table there', () => {
    const used = sources().flatMap((text) =>
      [...text.matchAll(/pressed\((\w+_KEYS),/g)].map(([, name]) => name),
    );
    expect(Object.keys(INSIDE).filter((name) => !used.includes(name))).toEqual([]);
  });

  it('is bound nowhere else: no letter and no arrow is compared outside the tables', () => {
    const compared = /\.key === '(?:.|Arrow\w+)'/g;
    const found = sources().flatMap((text) => text.match(compared) ?? []);
    // What a table of keys leads to tells up from down.
    const directions = ["'['", "','", "'-'", "'ArrowDown'", "'ArrowRight'", "' '"];
    expect(found.filter((one) => !directions.some((end) => one.endsWith(end)))).toEqual([]);
  });

  it('does what it says, and nothing where its view is not shown', () => {
    const { keys } = viewOf('predictions');
    const open = () => useStore.getState().spec.predictions.open;
    expect(dispatch(keys, stroke('L'))).toBe(true);
    expect(open()).toBe('all');
    for (const letter of ['o', 'O', 'i']) expect(dispatch(keys, stroke(letter))).toBe(false);
    expect(dispatch(viewOf('lens').keys, stroke('L'))).toBe(false);
    expect(open()).toBe('all');
    expect(dispatch(keys, stroke('L', { ctrlKey: true }))).toBe(false);
  });

  it('is the one with the key that is held', () => {
    expect(pressed(PROMPT_KEYS, stroke('Enter'))).toBeNull();
    expect(pressed(PROMPT_KEYS, stroke('Enter', { metaKey: true }))).toBe('run');
    expect(pressed(RANGE_KEYS, stroke('ArrowLeft'))).toBeNull();
    expect(pressed(RANGE_KEYS, stroke('ArrowLeft', { shiftKey: true }))).toBe('extend');
  });
});

describe('a view that is added', () => {
  const LOOKED = { depth: 3 };
  const shown: string[] = [];
  const added: View = {
    id: 'made-up',
    label: 'Made up',
    keys: [{ on: ['m'], label: 'm', says: 'makes it up', act: ({ key }) => shown.push(key) > 0 }],
    component: () => null,
    state: viewState(LOOKED, { mu: integer(LOOKED, 'depth', 1, 9) }),
    python: ({ spec }) => Promise.resolve(`# ${spec.prompt}`),
  };
  const views = [...VIEWS, added];

  it('has its part of the address', () => {
    const { encodeSpec, decodeSpec, DEFAULTS } = addressOf(views);
    const { spec, problems } = decodeSpec('#v=1&view=made-up&p=Hi&mu=7');
    expect(problems).toEqual([]);
    expect(spec).toEqual({ ...DEFAULTS, view: 'made-up', prompt: 'Hi', 'made-up': { depth: 7 } });
    expect(encodeSpec(spec)).toBe('v=1&view=made-up&p=Hi&mu=7');
    expect(decodeSpec('#mu=10').problems).toHaveLength(1);
    expect(address.decodeSpec('#view=made-up').problems).toHaveLength(1);
  });

  it('may not take a part of the address that another one has', () =>
    expect(() => addressOf([...views, { ...added, id: 'another' }])).toThrow('mu'));

  it('has a tab, its keys in the help dialog, and answers to them', () => {
    const page = (element: React.ReactElement) =>
      renderToStaticMarkup(createElement(Views, { value: { views, view: added } }, element));
    expect(page(createElement(ViewBar))).toContain('>Made up</button>');
    expect(page(createElement(KeyLists))).toContain('makes it up');
    expect(page(createElement(KeyLists))).not.toContain('take all layers apart');
    expect(dispatch(listed(added), stroke('m'))).toBe(true);
    expect(shown).toEqual(['m']);
  });
});

describe('tokens like the chosen one', () => {
  /** Its tokens are of the vocabulary; and the view that they are found in. */
  const WITHOUT_A_PROMPT = ['explore', 'corpus', 'latents'];
  const views = VIEWS.map((view) => [view.id, view] as const);

  it.each(views)('are a key away in %s', (id, view) => {
    const { corpus } = useStore.getState().spec;
    change({ view: id, position: 2, corpus: { ...corpus, ask: 'labels' } });
    const key = listed(view).filter((one) => one.on.includes('f'));
    expect(key).toHaveLength(1);
    expect(dispatch(key, stroke('f'))).toBe(true);
    const { spec } = useStore.getState();
    expect([spec.view, spec.position, spec.corpus.ask]).toEqual(['corpus', 2, 'like']);
  });

  it.each(views.filter(([id]) => !WITHOUT_A_PROMPT.includes(id)))(
    'have a mark at the tokens that %s shows',
    (id) => {
      const shows = sources(join('views', id)).filter((text) =>
        /<TokenStrip|data-testid="find-like"/.test(text),
      );
      expect(shows).not.toEqual([]);
    },
  );
});

/** All of our modules below a folder but the tests, as text. */
function sources(below = ''): string[] {
  const root = join(import.meta.dirname, '..', below);
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name) && !name.includes('.test.'))
    .map((name) => readFileSync(join(root, name), 'utf8'));
}
