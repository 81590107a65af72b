/** The saved picture: whole, well formed, with all that the window shows. */
import { describe, expect, it } from 'vitest';
import { decodeFlow, type FlowSideData } from './data';
import { flowSvg, type FlowFigureInput } from './svg';
import { flowExample, VOCABULARY } from './example';

const NONE: ReadonlySet<string> = new Set();
const { baseline, edited } = decodeFlow(flowExample({ layers: [13, 14] }, 0.4));

function input(change: Partial<FlowFigureInput> = {}): FlowFigureInput {
  return {
    flow: baseline,
    other: null,
    mode: 'baseline',
    colourBy: 'rank',
    palette: 'unembed',
    theme: 'light',
    hidden: NONE,
    focus: null,
    cuts: NONE,
    vocabSize: VOCABULARY,
    heading: 'The capital of <Japan> & "x"',
    note: 'Flow graph of a model',
    token: (name) => (name.includes('mono') ? "'A', monospace" : '#123456'),
    ...change,
  };
}

const count = (text: string, part: RegExp) => text.match(part)?.length ?? 0;

describe('the picture', () => {
  const { svg, width, height } = flowSvg(input());

  it('has a box for each node and a curve for each link that can be seen', () => {
    expect(count(svg, /<title>/g)).toBe(baseline.nodes.length);
    const seen = baseline.links.filter(({ colour }) => colour !== 'hidden');
    expect(count(svg, /<path /g)).toBe(seen.length);
  });

  it('is as large as the graph with its headings and its legend', () => {
    expect(svg).toContain(`viewBox="0 0 ${width} ${height}"`);
    expect(width).toBeGreaterThan(3000);
    for (const word of ['Layer 13', 'Layer 14', 'feed-forward', 'rows of W_O', '50,257', 'nats'])
      expect(svg).toContain(word);
  });

  it('is well formed, whatever the text holds', () => {
    expect(svg).toContain('&#60;Japan&#62; &#38; &#34;x&#34;');
    const tags = [...svg.matchAll(/<(\/?)(\w+)[^>]*?(\/?)>/g)];
    const open: string[] = [];
    for (const [, closing, name = '', alone] of tags) {
      if (closing) expect(open.pop()).toBe(name);
      else if (!alone) open.push(name);
    }
    expect(open).toEqual([]);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });
});

it('leaves out what is hidden', () => {
  const { svg } = flowSvg(input({ hidden: new Set(['neuron', 'neuron_key']) }));
  expect(count(svg, /<title>neuron/g)).toBe(0);
  expect(count(svg, /<title>head/g)).toBe(20);
});

it('dims all but the paths of what is in focus', () => {
  expect(count(flowSvg(input()).svg, /<g opacity="0.2">/g)).toBe(0);
  expect(count(flowSvg(input({ focus: 'L14.H7' })).svg, /<g opacity="0.2">/g)).toBeGreaterThan(40);
});

it('marks what is cut, and outlines what was thicker', () => {
  const cut = flowSvg(input({ cuts: new Set(['L14.H7', 'L14.H6>L14.z']) })).svg;
  expect(count(cut, /stroke-dasharray/g)).toBe(2);
  const plain = count(flowSvg(input()).svg, /<path /g);
  const compared = flowSvg(
    input({ flow: edited as FlowSideData, other: baseline, mode: 'difference' }),
  );
  expect(count(compared.svg, /<path /g)).toBeGreaterThan(plain);
});
