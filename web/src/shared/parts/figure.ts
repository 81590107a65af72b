/** A drawn picture as a file: SVG as it is, or the same as PNG. */
import { pngFile, saveFile, svgFile, type Picture } from '../../draw/saving';
import { notify } from '../state/store';

export type Figure = Picture;

/** A colour or a font of tokens.css, as the page has it now. */
export function tokenReader(): (name: string) => string {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(name).trim();
}

export function saveSvg(name: string, picture: Figure): void {
  saveFile(`${name}.svg`, svgFile(picture));
}

export async function savePng(name: string, picture: Figure): Promise<void> {
  const blob = await pngFile(picture);
  if (blob) saveFile(`${name}.png`, blob);
  else notify('The browser could not draw the picture: save it as SVG.');
}
