/** A drawn picture as a file: SVG as it is, or the same as PNG. */
import { saveBlob } from './save';
import { notify } from '../state/store';

export interface Figure {
  svg: string;
  width: number;
  height: number;
}

/** Browsers refuse canvases wider than about 16,000 pixels. */
const WIDEST = 15_000;
const SVG_TYPE = 'image/svg+xml;charset=utf-8';

/** A colour or a font of tokens.css, as the page has it now. */
export function tokenReader(): (name: string) => string {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(name).trim();
}

export function saveSvg(name: string, { svg }: Figure): void {
  saveBlob(`${name}.svg`, new Blob([svg], { type: SVG_TYPE }));
}

export async function savePng(name: string, { svg, width, height }: Figure): Promise<void> {
  const blob = await rasterised(svg, width, height);
  if (blob) saveBlob(`${name}.png`, blob);
  else notify('The browser could not draw the picture: save it as SVG.');
}

async function rasterised(svg: string, width: number, height: number): Promise<Blob | null> {
  const ratio = width * 2 > WIDEST ? 1 : 2;
  const url = URL.createObjectURL(new Blob([svg], { type: SVG_TYPE }));
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
