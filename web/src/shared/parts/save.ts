/** Handing a file or a text to the person. */
import { csvFile, saveFile } from '../../draw/saving';
import { notify } from '../state/store';

export function saveCsv(name: string, lines: Parameters<typeof csvFile>[0]): void {
  saveFile(name, csvFile(lines));
}

export function saveJson(name: string, data: unknown): void {
  saveFile(name, new Blob([JSON.stringify(data, null, 2)], { type: 'application/json' }));
}

export async function copyText(text: string | Promise<string>, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(await text);
    notify(`Copied ${what}.`);
  } catch {
    notify(`The browser did not allow copying ${what}.`);
  }
}
