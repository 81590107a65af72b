/** A drawn picture or a table as a file of the reader. */
import { toCsv } from './csv';

export interface Picture {
  svg: string;
  width: number;
  height: number;
}

/** Browsers refuse canvases wider than about 16,000 pixels. */
const WIDEST = 15_000;
const SVG_TYPE = 'image/svg+xml;charset=utf-8';

export function saveFile(name: string, blob: Blob): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // Some browsers read it only after the click.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export function svgFile({ svg }: Picture): Blob {
  return new Blob([svg], { type: SVG_TYPE });
}

/** At twice the size; null where the browser cannot draw it. */
export async function pngFile(picture: Picture): Promise<Blob | null> {
  const { width, height } = picture;
  const ratio = width * 2 > WIDEST ? 1 : 2;
  const url = URL.createObjectURL(svgFile(picture));
  try {
    const image = new Image(width, height);
    image.src = url;
    await image.decode();
    const canvas = document.createElement('canvas');
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve) => canvas.toBlob(resolve));
  } catch {
    return null;
  } finally {
    URL.revokeObjectURL(url);
  }
}

export function csvFile(lines: Parameters<typeof toCsv>[0]): Blob {
  return new Blob([toCsv(lines)], { type: 'text/csv;charset=utf-8' });
}
