/** Light or dark as the surroundings are, and the colours of a drawing as custom properties. */
import table from '../../../src/unembed/figures/colours.json';
import type { Theme } from './lut';

/** What the page says: a notebook's own theme where there is one, else the reader's system. */
export function surroundings(): Theme {
  const { body } = document;
  const jupyter = body?.dataset['jpThemeLight'];
  if (jupyter !== undefined) return jupyter === 'false' ? 'dark' : 'light';
  if (body?.classList.contains('vscode-dark')) return 'dark';
  if (body?.classList.contains('vscode-light')) return 'light';
  return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
}

/** Tells of every change of the surroundings until it is stopped. */
export function watchTheme(changed: (theme: Theme) => void): () => void {
  const system = matchMedia('(prefers-color-scheme: dark)');
  const tell = () => changed(surroundings());
  const observer = new MutationObserver(tell);
  system.addEventListener('change', tell);
  observer.observe(document.body, {
    attributes: true,
    attributeFilter: ['data-jp-theme-light', 'class'],
  });
  return () => {
    system.removeEventListener('change', tell);
    observer.disconnect();
  };
}

/** A colour or font of the shared table by the name that the style sheets use: "--ground". */
export function tokenReader(theme: Theme): (name: string) => string {
  const colours: Readonly<Record<string, string>> = { ...table[theme], ...table.fonts };
  return (name) => colours[name.slice(2)] ?? '';
}

export function setTheme(host: HTMLElement, theme: Theme): void {
  host.dataset['theme'] = theme;
  host.style.colorScheme = theme;
  for (const [name, value] of Object.entries({ ...table[theme], ...table.fonts }))
    host.style.setProperty(`--${name}`, value);
}
