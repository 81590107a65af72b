/** A view as the page knows it. Its folder exports one; `views/index.ts` lists them. */
import { createContext, useContext, type ComponentType, type ReactNode } from 'react';
import type { ModelInfo } from './api/queries';
import type { Key } from '../draw/keys';
import type { Experiment } from './state/experiment';
import type { ViewState } from './text/fields';
import type { Spec } from './text/url';

export interface ViewProps {
  model: ModelInfo | null;
  experiment: Experiment;
  /** Of a token, px. */
  cellWidth: number;
  /** To be shown until a prompt runs, by a view that has something of its own to show then; else null. */
  welcome: ReactNode;
}

/** The page that Python is to reproduce. */
export interface Page {
  model: ModelInfo;
  spec: Spec;
  position: number;
}

export interface View {
  /** In the address, and the name of its own state. */
  id: string;
  /** On its tab. */
  label: string;
  /** It shows one node: its tab has the node's name, and is there while it is open. */
  ofNode?: boolean;
  /** Not asked of every prompt: its tab is there while it is open. */
  apart?: boolean;
  /** What stands there until a prompt runs; absent: the view needs none. */
  teach?: { question: string; text: string };
  /** It stands around what teaches, and shows what needs neither a prompt nor anything of the model. */
  unasked?: boolean;
  /** What the model's self-check must have proved, and what is said where it did not. */
  needs?: {
    capability: string;
    title: string;
    note?: string;
    /** What can be asked in its place, of a model that has this. */
    instead?: { capability: string; note: string };
    /** What is shown in its place, of a model that has this and not the other. */
    otherwise?: { capability: string; component: ComponentType<ViewProps> };
  };
  /** Beside those of the whole page. */
  keys: readonly Key[];
  component: ComponentType<ViewProps>;
  state?: ViewState;
  /** Fetched when it is asked for. */
  python: (page: Page) => Promise<string>;
}

/** Why the model lacks a capability; null where it has it, or is not there yet. */
export function lacks(model: ModelInfo | null, name: string): string | null {
  const found = model?.capabilities.find((capability) => capability.name === name);
  return found && !found.available ? reasonOf(model, name) : null;
}

/** Whether the model has a capability that most models do not even list. */
export function has(model: ModelInfo | null, name: string): boolean {
  return model?.capabilities.some((one) => one.name === name && one.available) ?? false;
}

/** A reason by itself on the page. */
export function asSentence(reason: string): string {
  const text = reason.charAt(0).toUpperCase() + reason.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

export function reasonOf(model: ModelInfo | null, name: string): string {
  return (
    model?.capabilities.find((capability) => capability.name === name)?.reason ??
    'The self-check at load did not prove it.'
  );
}

/** All views, and the one that is shown. */
export const Views = createContext<{ views: readonly View[]; view: View } | null>(null);

export function useViews(): { views: readonly View[]; view: View } {
  const found = useContext(Views);
  if (!found) throw new Error('There are no views outside the page.');
  return found;
}

export function useView(): View {
  return useViews().view;
}
