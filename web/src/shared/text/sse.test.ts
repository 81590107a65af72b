import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eventReader, type ServerEvent } from './sse';

const EVENTS: ServerEvent[] = [
  { name: 'token', data: '{"text":" a:b"}' },
  { name: 'message', data: 'two\nlines' },
  { name: 'end', data: '{}' },
];
const WRITTEN = (line: string) =>
  [
    `event: token${line}data: {"text":" a:b"}${line}${line}`,
    `: still here${line}${line}`,
    `data: two${line}data:lines${line}${line}`,
    `event: end${line}data: {}${line}${line}`,
  ].join('');

describe('server-sent events', () => {
  it.each(['\n', '\r\n', '\r'])('are read wherever they are cut, lines ending in %j', (line) => {
    const text = WRITTEN(line);
    const cuts = fc.uniqueArray(fc.nat({ max: text.length }), { maxLength: 12 });
    fc.assert(
      fc.property(cuts, (places) => {
        const read = eventReader();
        const edges = [0, ...places.toSorted((a, b) => a - b), text.length];
        const found = edges.flatMap((start, at) => read(text.slice(start, edges[at + 1] ?? start)));
        // The last line break may still be half of one.
        expect([...found, ...read('\n')]).toEqual(EVENTS);
      }),
    );
  });

  it('are not given before they are complete', () =>
    expect(eventReader()('event: token\ndata: {}\n')).toEqual([]));
});
