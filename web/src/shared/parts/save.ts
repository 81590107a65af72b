/** Handing a file or a text to the person. */
import { toCsv } from '../text/files';
import { notify } from '../state/store';

export function saveBlob(name: string, blob: Blob): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export function saveCsv(name: string, lines: Parameters<typeof toCsv>[0]): void {
  saveBlob(name, new Blob([toCsv(lines)], { type: 'text/csv;charset=utf-8' }));
}

export function saveJson(name: string, data: unknown): void {
  saveBlob(name, new Blob([JSON.stringify(data, null, 2)], { type: 'application/json' }));
}

export async function copyText(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    notify(`Copied ${what}.`);
  } catch {
    notify(`The browser did not allow copying ${what}.`);
  }
}
