/** Tables as CSV text. */

/** RFC 4180, with a byte order mark so that spreadsheets read it as UTF-8. */
export function toCsv(lines: ReadonlyArray<ReadonlyArray<string | number | null>>): string {
  return `\uFEFF${lines.map((line) => line.map(field).join(',')).join('\r\n')}\r\n`;
}

function field(value: string | number | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  // A spreadsheet runs what starts like a formula; tokens often do.
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
