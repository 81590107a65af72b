import { describe, expect, it } from 'vitest';
import { gridSvg } from './gridSvg';

describe('a heat map as SVG', () => {
  it('has every cell with its words, names of rows and columns, and nothing that is markup', () => {
    const { svg, width, height } = gridSvg({
      heading: 'a <b>',
      note: 'of a model',
      rowNames: ['L1', 'L0'],
      columnNames: ['␣x', '&'],
      cells: {
        rows: 2,
        columns: 2,
        colours: Uint32Array.from([0xff0000ff, 0, 0xff00ff00, 0xffffffff]),
        label: (row, column) => `${row}.${column}`,
        numeric: true,
        marks: null,
      },
      token: (name) => name,
    });
    expect(svg.match(/<rect /g)).toHaveLength(4); // the ground, and three cells that have a colour
    for (const words of ['0.0', '1.1', 'L0', '␣x', '&#38;', 'a &#60;b&#62;', 'rgb(255 0 0)'])
      expect(svg).toContain(words);
    expect([width, height > 100]).toEqual([480, true]);
  });
});
