/** Elements made by hand, for drawings that no framework renders. All text is text, never markup. */

type Child = Node | string | null;

/** An element with attributes (null leaves one out) and children. */
export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Readonly<Record<string, string | number | null>> = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== null) element.setAttribute(name, String(value));
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** A token whose direction cannot disturb its neighbours. */
export function tokenOf(token: { label: string; id: number; special?: boolean }): HTMLElement {
  return make(
    'bdi',
    {
      class: token.special ? 'token special' : 'token',
      title: `${token.label}  (id ${token.id})`,
    },
    token.label,
  );
}

export function button(label: string, act: () => void, title: string | null = null) {
  const made = make('button', { type: 'button', title }, label);
  made.addEventListener('click', act);
  return made;
}

/** Buttons of which one is pressed; `show` says which. */
export function choice<Value extends string>(
  label: string,
  options: ReadonlyArray<readonly [value: Value, name: string]>,
  choose: (value: Value) => void,
): { element: HTMLElement; show: (value: Value) => void } {
  const element = make('div', { class: 'segments', role: 'group', 'aria-label': label });
  const buttons = new Map(
    options.map(([value, name]) => [value, button(name, () => choose(value))] as const),
  );
  element.append(...buttons.values());
  return {
    element,
    show: (value) => {
      for (const [one, made] of buttons) made.setAttribute('aria-pressed', String(one === value));
    },
  };
}
