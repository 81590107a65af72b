import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { afterEach, describe, expect, it } from 'vitest';
import { address, decodeSpec, DEFAULTS, encodeSpec } from '../../app/address';
import example from '../../draw/graph/example.json';
import { page } from '../../shared/pageExample';
import { setAddress, useStore } from '../../shared/state/store';
import { readViewer, toViewer } from './files';
import { show, WithoutPrompt } from './GraphFile';
import { graphBody, misnamed, readGroups, writeGroups } from './graphState';
import { componentOf, isTranscoder, said } from './labels';
import { graphPython } from './python';
import { measurable, useOpened, type GraphAnswer } from './query';

const ANSWER = example.graph as unknown as GraphAnswer;
const GROUPS = example.grouped[1]!.groups;
const ATTACHED = {
  attached: [
    { kind: 'sae', layer: 0, stem: 'L0.F', site: 'L0.resid_post' },
    { kind: 'transcoder', layer: 0, stem: 'L0.mlp_out.F', site: 'L0.mlp_in>L0.mlp_out' },
  ],
} as never;

describe('a cross-layer transcoder', () => {
  it('has features that are nodes with pages', () => {
    const crossed = {
      attached: [
        { kind: 'clt', layer: 0, stem: 'L0.F', site: 'L0.mlp_in>L0-2.mlp_out' },
        { kind: 'clt', layer: 1, stem: 'L1.F', site: 'L1.mlp_in>L1-2.mlp_out' },
      ],
    } as never;
    expect(componentOf('L1.F7@3', crossed)).toBe('L1.F7');
    expect(isTranscoder({ kind: 'clt' })).toBe(true);
    expect(isTranscoder({ kind: 'crosscoder' })).toBe(false);
  });
});

describe('the address of a graph', () => {
  it('has what is shown, chosen and taken together', () => {
    const written =
      'v=1&view=graph&p=Hi&gshow=0.5&gedges=0.25&gat=L0.F3@1>group:say a city&gmeas=1' +
      '&ggroup=say%20a%20city:L0.F3@1,L1.F5@2;b:embed@0&gapart=1&gans=3';
    const { spec, problems } = decodeSpec(written);
    expect(problems).toEqual([]);
    expect(spec.graph).toMatchObject({ nodes: 0.5, edges: 0.25, measured: true, apart: true });
    expect(spec.graph.groups).toEqual([
      { name: 'say a city', nodes: ['L0.F3@1', 'L1.F5@2'] },
      { name: 'b', nodes: ['embed@0'] },
    ]);
    expect(graphBody(spec.graph)).toEqual({ answers: 3 });
    expect(decodeSpec(encodeSpec(spec)).spec).toEqual(spec);
  });

  it.each(['gat=L0.F3', 'gat=a>b>c', 'gshow=2', 'gedges=x', 'ggroup=a:L0.F3@1;b:L0.F3@1'])(
    'leaves out what it cannot be: %s',
    (part) => {
      const { spec, problems } = decodeSpec(`v=1&view=graph&${part}`);
      expect(problems).toHaveLength(1);
      expect(spec.graph).toEqual(DEFAULTS.graph);
    },
  );

  it('keeps any name of a group', () => {
    const groups = [{ name: 'a:b,c;d & ␣', nodes: ['L0.F_error@1', 'L1.mlp@0'] }];
    expect(readGroups(writeGroups(groups))).toEqual(groups);
    expect(misnamed('a>b', [])).toContain('“>”');
    expect(misnamed('a', [{ name: 'a', nodes: [] }])).toContain('There is');
    expect(misnamed('', [])).not.toBeNull();
  });
});

describe('a file', () => {
  it('is written as Python writes it', () => {
    expect(toViewer(ANSWER, GROUPS)).toEqual(example.viewer);
  });

  it('is read back, with its groups', () => {
    const found = readViewer(JSON.stringify(example.viewer), 'mine.json');
    expect(found).toMatchObject({ file: 'mine.json', own: true, groups: GROUPS });
    const { graph } = found as Exclude<typeof found, string>;
    expect(graph).toEqual({ ...ANSWER, supernodes: GROUPS });
  });

  it('of circuit-tracer is read as far as it says', () => {
    const node = (node_id: string, feature_type: string, layer: string, more: object) => ({
      ...{ node_id, feature_type, layer, ctx_idx: 1, clerp: 'x', influence: 0.4 },
      ...more,
    });
    const file = {
      metadata: { scan: 'theirs', prompt_tokens: ['a', ' b'], node_threshold: 0.8 },
      nodes: [
        node('E_9_0', 'embedding', 'E', { ctx_idx: 0 }),
        node('3_77_1', 'cross layer transcoder', '3', { activation: 2.5 }),
        node('0_3_1', 'mlp reconstruction error', '3', {}),
        node('5_12_1', 'logit', '5', { token_prob: 0.5 }),
      ],
      links: [{ source: '3_77_1', target: '5_12_1', weight: -1.5 }],
    };
    const found = readViewer(JSON.stringify(file), 'theirs.json');
    if (typeof found === 'string') throw new Error(found);
    expect(found.own).toBe(false);
    expect(found.graph.nodes.map(({ name }) => name)).toEqual([
      'embed@0',
      'L3.F77@1',
      'L3.F_error@1',
      'logit:12@1',
    ]);
    expect(found.graph.nodes[1]).toMatchObject({ value: 2.5, reached: 0.4, layer: 3, index: 77 });
    expect(found.graph.edges).toEqual([
      { source: 'L3.F77@1', target: 'logit:12@1', weight: -1.5, reached: 0 },
    ]);
    expect(found.graph.tokens[0]).toMatchObject({ id: 9, label: 'a' });
  });

  it.each([
    ['{', 'no JSON'],
    ['{}', '“metadata” is missing'],
    ['{"metadata": {}, "nodes": 3}', '“nodes” is no list'],
    ['{"metadata": {}, "nodes": [{"feature_type": "crosscoder"}]}', '“crosscoder” is no kind'],
    ['{"metadata": {}, "nodes": [], "links": [{"source": "a"}]}', 'no node a'],
  ])('that is none is refused with what is wrong: %s', (text, why) => {
    expect(readViewer(text, 'f')).toContain(why);
  });
});

describe('without a prompt', () => {
  afterEach(() => useOpened.setState({ opened: null }));
  const open = (data: unknown, file: string) => {
    setAddress(address);
    return show(JSON.stringify(data), file);
  };

  it('a file can be chosen below what teaches', () => {
    const welcome = createElement('h2', null, 'Which features?');
    const drawn = renderToStaticMarkup(createElement(WithoutPrompt, { welcome }));
    expect(drawn).toMatch(/Which features\?.*data-testid="graph-file"/);
  });

  it('a file is shown with its groups, and its Python reads it', () => {
    expect(open(example.viewer, 'my "own".json')).toBeNull();
    expect(useOpened.getState().opened).toMatchObject({ file: 'my "own".json', own: true });
    const { spec, notice } = useStore.getState();
    expect(spec.graph.groups).toEqual(GROUPS);
    expect(notice?.text).toContain(`${ANSWER.nodes.length} nodes`);
    const graph = { ...spec.graph, chosen: 'embed@1>logit@4', measured: true };
    const written = graphPython(page('gpt2', { ...spec, graph }));
    expect(written).toContain(
      String.raw`graph = ue.load_graph("my \"own\".json")` + '\ngraph = graph.pruned(edges=0.6)\n',
    );
    expect(written).toContain('graph.grouped(');
    expect(written).not.toMatch(/ue\.load\(|measure_edge|prompt/);
  });

  it('a file of another’s has no scores to print, nor parts of edges to prune by', () => {
    const { unembed: _about, ...metadata } = example.viewer.metadata;
    expect(open({ ...example.viewer, metadata, nodes: [], links: [], qParams: {} }, 'theirs')).toBe(
      null,
    );
    const written = graphPython(page('gpt2', useStore.getState().spec));
    expect(written).toContain('ue.load_graph("theirs")\nprint(graph)\n');
  });

  it('what is no graph leaves the page as it was, and says what is wrong', () => {
    expect(open({ nodes: [] }, 'broken.json')).toContain('“metadata” is missing');
    expect(useOpened.getState().opened).toBeNull();
    expect(useStore.getState().spec).toEqual(DEFAULTS);
  });
});

describe('a node', () => {
  it('is of a component that has a page', () => {
    expect(componentOf('L0.F3@1', ATTACHED)).toBe('L0.mlp_out.F3');
    expect(componentOf('L1.F3@1', ATTACHED)).toBeNull();
    expect(componentOf('L1.mlp@4', ATTACHED)).toBe('L1.mlp');
    expect(componentOf('embed@4', ATTACHED)).toBe('embed');
    expect(componentOf('L1.F_error@4', ATTACHED)).toBeNull();
  });

  it('says what its component was labelled with', () => {
    const labels = new Map([['L0.mlp_out.F3', { words: 'cities', supported: true }]]);
    const found = said(ANSWER, labels, ATTACHED).nodes.filter(({ kind }) => kind === 'latent');
    expect(found.map(({ words }) => words)).toEqual(['cities', 'cities', 'verbs']);
    expect(said(ANSWER, new Map(), ATTACHED)).toBe(ANSWER);
  });

  it('of a group has no edge that can be measured', () => {
    expect(measurable('embed@2>logit:4@5')).toEqual(['embed@2', 'logit:4@5']);
    expect(measurable('group:a>logit:4@5')).toBeNull();
    expect(measurable('embed@2')).toBeNull();
  });
});

describe('its Python', () => {
  it('prunes, groups and measures as the page does', () => {
    const graph = {
      ...DEFAULTS.graph,
      latents: 500,
      nodes: 0.7,
      chosen: 'embed@1>logit@4',
      measured: true,
      groups: [{ name: 'a "b"', nodes: ['L0.F3@1'] }],
    };
    const written = graphPython(
      page('gpt2', { ...DEFAULTS, prompt: 'Hi', target: ' x', graph }, 4),
    );
    expect(written).toContain(
      'graph = ue.attribution_graph(model, prompt, target=" x", position=4, latents=500)\n' +
        'graph = graph.pruned(nodes=0.7, edges=0.6)\n',
    );
    expect(written).toContain(String.raw`    "a \"b\"": ["L0.F3@1"],`);
    expect(written).toContain('ue.measure_edge(model, prompt, "embed@1", "logit@4", target=" x")');
    const all = { ...DEFAULTS.graph, edges: 1 };
    const plain = graphPython(page('gpt2', { ...DEFAULTS, prompt: 'Hi', graph: all }, 4));
    expect(plain).not.toMatch(/pruned|grouped|measure_edge/);
  });
});
