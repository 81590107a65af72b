/** The one pop-up of the app: what is under the pointer, frozen while Shift is held. */
import { Card, type Anchor, type CardContent } from '../../draw/card';

let card: Card | null = null;

/** Into the page, until it is taken out again. */
export function mountPeek(place: HTMLElement): () => void {
  const made = new Card();
  card = made;
  place.append(made.element);
  return () => {
    made.destroy();
    card = null;
  };
}

export function isPeekShown(): boolean {
  return card?.shown ?? false;
}

/** After 150 ms; at once where the pop-up is already up and only moves. */
export function showPeek(anchor: Anchor, content: CardContent): void {
  card?.show(anchor, content);
}

export function hidePeek(): void {
  card?.hide();
}

export function freezePeek(frozen: boolean): void {
  card?.freeze(frozen);
}

/** Whether or not it is frozen, at once. */
export function dropPeek(): void {
  card?.drop();
}
