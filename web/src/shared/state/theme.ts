/** Light, dark, or as the system says; kept in this browser, not in the address. */
import { create } from 'zustand';
import type { Theme } from '../../draw/lut';

export type Choice = 'system' | Theme;
const KEY = 'unembed.theme';
const system = matchMedia('(prefers-color-scheme: dark)');

interface ThemeState {
  choice: Choice;
  theme: Theme;
}

function resolve(choice: Choice): Theme {
  return choice === 'system' ? (system.matches ? 'dark' : 'light') : choice;
}

function stored(): Choice {
  try {
    const value = localStorage.getItem(KEY);
    return value === 'light' || value === 'dark' ? value : 'system';
  } catch {
    return 'system';
  }
}

export const useTheme = create<ThemeState>(() => ({ choice: stored(), theme: resolve(stored()) }));

export function chooseTheme(choice: Choice): void {
  try {
    if (choice === 'system') localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, choice);
  } catch {
    // A browser that stores nothing still shows the choice until the page is left.
  }
  apply(choice);
}

export function startTheme(): void {
  system.addEventListener('change', () => apply(useTheme.getState().choice));
  apply(stored());
}

function apply(choice: Choice): void {
  useTheme.setState({ choice, theme: resolve(choice) });
  document.documentElement.dataset['theme'] = resolve(choice);
}
