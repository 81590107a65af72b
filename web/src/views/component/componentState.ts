/** What a component's page is asked beside the prompt: as state, as parts of the address. */
import { change, useSpec, useStore } from '../../shared/state/store';
import { text, viewState } from '../../shared/text/fields';

export interface ComponentState {
  /** Another text whose tokens are tinted; "": none. */
  text: string;
}

const START: Readonly<ComponentState> = { text: '' };

export const componentState = viewState(START, { ctext: text(START, 'text') });

declare module '../../shared/text/url' {
  interface ViewStates {
    /** What a component's page is asked beside the prompt. */
    component: ComponentState;
  }
}

export function useOtherText(): string {
  return useSpec().component.text;
}

export function readText(other: string): void {
  const { component } = useStore.getState().spec;
  change({ component: { ...component, text: other } });
}
