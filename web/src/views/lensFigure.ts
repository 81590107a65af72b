/** The grid as a picture to keep: SVG, or the same as PNG. */
import { saveBlob } from '../components/save';
import { lensSvg, type Figure, type FigureInput } from '../core/lensSvg';
import { notify } from '../state/store';

/** Browsers refuse canvases wider than about 16,000 pixels. */
const WIDEST = 15_000;
const SVG_TYPE = 'image/svg+xml;charset=utf-8';

export type FigureOf = Omit<FigureInput, 'token'>;

function figure(of: FigureOf): Figure {
  const style = getComputedStyle(document.documentElement);
  return lensSvg({ ...of, token: (name) => style.getPropertyValue(name).trim() });
}

export function saveLensSvg(of: FigureOf): void {
  saveBlob('lens.svg', new Blob([figure(of).svg], { type: SVG_TYPE }));
}

export async function saveLensPng(of: FigureOf): Promise<void> {
  const { svg, width, height } = figure(of);
  const blob = await rasterised(svg, width, height);
  if (blob) saveBlob('lens.png', blob);
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
