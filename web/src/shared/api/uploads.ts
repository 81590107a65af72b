/** Files on their way to the server, piece by piece: a corpus is built of them, an autoencoder learns from them. */
import { answer, api } from './client';

/** Bytes of a file that are sent at once: base64 of them fits into any body that a server takes. */
export const PIECE = 1_500_000;

/** Which file went under each name. */
export type Sent = Readonly<Record<string, string>>;

/** Tells a file from another one of its name. */
export function markOf({ name, size, lastModified }: File): string {
  return `${name} ${size} ${lastModified}`;
}

/** Whether a column says where the text is. */
export function hasColumn(files: readonly File[]): boolean {
  return files.some(({ name }) =>
    /\.(parquet|(jsonl|ndjson|json|csv|tsv)(\.(gz|bz2|zst))?)$/i.test(name),
  );
}

/** Whether there are fields beside a text: of records, or comments of CoNLL-U. */
export function hasFields(files: readonly File[]): boolean {
  return hasColumn(files) || files.some(({ name }) => /\.conllu?(\.(gz|bz2|zst))?$/i.test(name));
}

/** Files beside those that are chosen; of one name the newer. */
export function besides(files: readonly File[], added: readonly File[]): File[] {
  return [...files.filter(({ name }) => !added.some((one) => one.name === name)), ...added];
}

interface Way {
  /** The name that files are sent under; what is there already stays there. */
  upload: string;
  sent: Sent;
  signal: AbortSignal;
  /** Bytes sent, of those to send. */
  onBytes: (sent: number, total: number) => void;
  onSent: (file: File) => void;
}

/** Sends what was not sent yet. */
export async function sendFiles(files: readonly File[], way: Way): Promise<void> {
  const { upload, sent, signal, onBytes, onSent } = way;
  const missing = files.filter((file) => sent[file.name] !== markOf(file));
  const total = missing.reduce((sum, { size }) => sum + size, 0);
  let before = 0;
  onBytes(0, total);
  for (const file of missing) {
    let offset = 0;
    do {
      const data = await base64Of(file.slice(offset, offset + PIECE));
      const body = { upload, file: file.name, offset, data };
      const { bytes } = await answer(api.POST('/api/corpus/upload', { body, signal }));
      offset = bytes;
      onBytes(before + offset, total);
    } while (offset < file.size);
    before += file.size;
    onSent(file);
  }
}

function base64Of(piece: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener('load', () => {
      resolve(String(reader.result).replace(/^[^,]*,?/, ''));
    });
    reader.addEventListener('error', () =>
      reject(new Error('A file cannot be read any more: choose it again.')),
    );
    reader.readAsDataURL(piece);
  });
}
