/** Server-sent events out of the pieces in which an answer arrives. Knows no network. */

export interface ServerEvent {
  name: string;
  data: string;
}

/** Feed it pieces of text, wherever they are cut; it gives back the events that are complete. */
export function eventReader(): (piece: string) => ServerEvent[] {
  let pending = '';
  return (piece) => {
    // A carriage return at the end may be half of a line break.
    const text = pending + piece;
    const whole = text.endsWith('\r') ? text.slice(0, -1) : text;
    const blocks = whole.replaceAll(/\r\n?/g, '\n').split('\n\n');
    pending = (blocks.pop() ?? '') + (whole === text ? '' : '\r');
    return blocks.map(readEvent).filter((event) => event !== null);
  };
}

/** Null for a comment, which only keeps the line open. */
function readEvent(block: string): ServerEvent | null {
  let name = 'message';
  const data: string[] = [];
  for (const line of block.split('\n')) {
    const cut = line.indexOf(':');
    const field = cut < 0 ? line : line.slice(0, cut);
    const value = cut < 0 ? '' : line.slice(cut + 1).replace(/^ /, '');
    if (field === 'event') name = value;
    else if (field === 'data') data.push(value);
  }
  return data.length > 0 ? { name, data: data.join('\n') } : null;
}
