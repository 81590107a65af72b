/** Text in an SVG: whatever a token holds, the file stays well formed. */

/** A token of tokens.css, by name. */
export type Ink = (name: string) => string;

export interface TextStyle {
  fill: string;
  bold?: boolean;
  anchor?: string;
  size?: number;
  faint?: boolean;
  /** A rim that parts it from what it lies on. */
  halo?: string;
}

export function written(text: string, x: number, y: number, style: TextStyle): string {
  if (text === '') return '';
  const more = [
    style.bold ? ' font-weight="600"' : '',
    style.anchor ? ` text-anchor="${style.anchor}"` : '',
    style.size ? ` font-size="${style.size}"` : '',
    style.faint ? ' opacity="0.75"' : '',
    style.halo ? ` stroke="${style.halo}" stroke-width="3" paint-order="stroke"` : '',
  ].join('');
  const place = `x="${Math.round(x * 100) / 100}" y="${Math.round(y * 100) / 100}"`;
  return `<text ${place} fill="${style.fill}"${more}>${escaped(text)}</text>`;
}

/** What XML cannot hold at all is left out; the rest is escaped. */
export function escaped(text: string): string {
  return (
    text
      .toWellFormed()
      // oxlint-disable-next-line no-control-regex
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '')
      .replace(/[<>&"]/g, (sign) => `&#${sign.charCodeAt(0)};`)
  );
}
