import { describe, expect, it } from 'vitest';
import { cell, changedCells, outcome, readLens } from './data';
import { cellValue, paintLens, scoredWords } from './paint';
import { lensSvg } from './svg';
import { cellSentence, lensJson, lensTable } from './text';
import { look, table, unpack } from '../lut';
import { DEFAULTS } from '../../app/address';
import { KINDS } from '../../views/lens/lensState';
import { example, token, withoutTarget } from './example';

const tokens = (kind: (typeof KINDS)[number]) => ({
  kind,
  text: 'token' as const,
  clipped: false,
});
const values = (kind: (typeof KINDS)[number]) => ({
  kind,
  text: 'value' as const,
  clipped: false,
});

describe('the lens', () => {
  it('reads a cell with its tokens and their logits', () => {
    const lens = readLens(example(false));
    expect(cell(lens, lens.baseline, 1, 1)).toMatchObject({
      top: [{ probability: 1, logit: 4, token: { label: '␣y' } }],
      rank: 1,
      logit: 4,
      target: { label: '␣y' },
    });
  });

  it('colours by another objective than a logit in its place, and says whose number it is', () => {
    const objective = "log probability of ' y'";
    const lens = readLens(example(true, { objective }));
    for (const side of [lens.baseline, lens.edited])
      if (side) side.objective = Float32Array.from([-1, -2, -3, -4]);
    const { label, scale } = paintLens(lens, values('logit'), 'baseline', 100, 'light');
    expect(label(1, 1)).toBe('−4.0');
    expect(scale.name).toBe(objective);
    expect(cellValue(cell(lens, lens.baseline, 1, 1), 'logit')).toBe('−4.0');
    expect(paintLens(lens, values('logit'), 'difference', 100, 'light').scale.name).toContain(
      objective,
    );
    expect(paintLens(lens, values('probability'), 'baseline', 100, 'light').scale.name).not.toBe(
      objective,
    );
  });

  it('knows which positions of the prompt it has read', () =>
    expect([...readLens(example(false)).columnOf]).toEqual([-1, 0, 1]));

  it('says a cell in a sentence, and that a position was not read', () => {
    const lens = readLens(example(false));
    expect(cellSentence(lens, lens.baseline, 1, 2)).toBe(
      'layer 0, token ␣y at position 2, top prediction ␣y 1.000',
    );
    expect(cellSentence(lens, lens.baseline, 1, 1)).toContain('␣x 0.750, rank 1');
    expect(cellSentence(lens, lens.baseline, 1, 0)).toContain('not among those');
  });

  it('marks the cells whose top token the edits change', () =>
    expect([...changedCells(readLens(example(true)))]).toEqual([0, 1, 0, 0]));

  it('compares what the model says in the end with how the text goes on', () => {
    const lens = readLens(example(false));
    expect(outcome(lens, lens.baseline, 0)).toMatchObject({ token: { label: '␣y' }, right: true });
    expect(outcome(lens, lens.baseline, 1).right).toBeNull();
  });

  it('names what it scores', () => {
    expect(scoredWords(readLens(example(false)))).toBe('the final top token');
    expect(scoredWords(readLens(example(false, { follow: 'next' })))).toBe('the true next token');
    expect(scoredWords(readLens(example(false, { target: token(2, ' y') })))).toBe('␣y');
  });

  it('writes one line for each cell and side', () => {
    expect(lensTable(readLens(example(true)))).toHaveLength(1 + 2 * 4);
    expect(lensTable(readLens(example(false)))[1]).toEqual([
      'baseline',
      'embed',
      1,
      'A',
      ' x',
      0.25,
      1,
      ' x',
      0,
      -2,
      100,
      4,
      3,
    ]);
  });
});

describe('a cell', () => {
  it.each(['probability', 'logit', 'rank', 'kl', 'entropy', 'top'] as const)(
    'is brightest where the answer is certain: %s',
    (kind) => {
      const { colours } = paintLens(
        readLens(example(false)),
        tokens(kind),
        'baseline',
        100,
        'light',
      );
      expect(unpack(colours[3] ?? 0)).toEqual(unpack(look(table('sequential', 'light'), 1)));
    },
  );

  it('is darkest at the last rank, on a logarithmic scale', () => {
    const lens = readLens(example(false));
    const { colours } = paintLens(lens, tokens('rank'), 'baseline', 100, 'light');
    expect(colours[0]).toBe(look(table('sequential', 'light'), 0));
  });

  it('says its top token or the number that colours it', () => {
    const lens = readLens(example(false));
    const label = (spec: Parameters<typeof paintLens>[1]) =>
      paintLens(lens, spec, 'baseline', 100, 'light').label(0, 1);
    expect(label(tokens('kl'))).toBe('␣y');
    expect(KINDS.map((kind) => label(values(kind)))).toEqual([
      '0.500',
      '0.500',
      '1.0',
      '2',
      '2.00',
      '2.00',
    ]);
  });

  it('says that its divergence is of clipped probabilities', () => {
    const lens = readLens(example(false));
    const spec = { ...values('kl'), clipped: true };
    expect(paintLens(lens, spec, 'baseline', 100, 'light').scale.name).toContain('clipped');
  });

  it('has the same number in the table', () => {
    const lens = readLens(example(false));
    for (const kind of KINDS)
      expect(cellValue(cell(lens, lens.baseline, 0, 1), kind)).toBe(
        paintLens(lens, values(kind), 'baseline', 100, 'light').label(0, 1),
      );
  });

  it('without a target has neither colour nor number', () => {
    const lens = readLens(withoutTarget());
    for (const kind of ['probability', 'logit', 'rank'] as const) {
      const painted = paintLens(lens, values(kind), 'baseline', 100, 'light');
      expect(painted.colours[1]).toBe(0);
      expect(painted.colours[0]).not.toBe(0);
      expect(painted.label(1, 1)).toBe('–');
    }
    expect(cell(lens, lens.baseline, 1, 1).target).toBeNull();
    expect(lensTable(lens)[2]?.slice(7, 11)).toEqual([null, null, null, null]);
    expect(JSON.stringify(lensJson({ ...DEFAULTS }, lens))).toContain('"probability":[0,null');
  });

  it('shows no difference as the middle of the scale', () => {
    const lens = readLens(example(true));
    for (const kind of ['probability', 'logit', 'rank', 'entropy', 'top'] as const) {
      const { colours, scale } = paintLens(lens, tokens(kind), 'difference', 100, 'dark');
      expect(scale.kind).toBe('diverging');
      expect(colours[0]).toBe(look(table('diverging', 'dark'), 0.5));
    }
  });

  it('shows how far the edits move it as KL(baseline ‖ edited)', () => {
    const { scale, label } = paintLens(
      readLens(example(true)),
      values('kl'),
      'difference',
      100,
      'light',
    );
    expect(scale.name).toContain('baseline ‖ edited');
    expect(label(0, 1)).toBe('3.00');
  });
});

describe('the picture', () => {
  const drawn = (lens = readLens(example(false)), flipped = false) =>
    lensSvg({
      lens,
      painted: paintLens(lens, tokens('probability'), 'baseline', 100, 'light'),
      mode: 'baseline',
      heading: 'a <b> & "c"\u0000',
      flipped,
      model: 'gpt2',
      theme: 'light',
      token: (name) => name,
    }).svg;

  it('has a cell and a text for each position read, and both axes', () => {
    const svg = drawn();
    expect(svg.match(/height="23"/g)).toHaveLength(4);
    for (const text of ['embed', 'L0', '␣x', '✓␣y', 'probability of the final top token'])
      expect(svg).toContain(text);
  });

  it('is well formed whatever the prompt says', () => {
    expect(drawn()).toContain('a &#60;b&#62; &#38; &#34;c&#34;');
    expect(drawn()).not.toContain('\u0000');
  });

  it('turns round with the page', () => {
    const place = (svg: string, text: string) =>
      Number(new RegExp(`y="(\\d+)"[^>]*>${text}<`).exec(svg)?.[1]);
    expect(place(drawn(), 'embed')).toBeGreaterThan(place(drawn(), 'L0'));
    const turned = drawn(undefined, true);
    expect(place(turned, 'embed')).toBeLessThan(place(turned, 'L0'));
  });
});
