/**
 * Parts of the address: how one field of a state is written, and read.
 *
 * Reading never throws: it says whether the value was understood, and leaves the state as it is if not.
 */
export interface Field<State> {
  /** null: as at the start, and left out. */
  write: (state: State) => string | null;
  read: (state: State, value: string) => boolean;
}

/** The fields of a state by their names in the address. */
export type Fields<State> = Readonly<Record<string, Field<State>>>;

/** Names of the fields that can hold such a value. */
type Of<State, Value> = {
  [Name in keyof State]-?: Value extends State[Name] ? Name : never;
}[keyof State];

/** A field that is read by `parse`; undefined is what could not be read. */
export function field<State, Name extends keyof State>(
  start: State,
  name: Name,
  parse: (value: string) => State[Name] | undefined,
  format: (value: NonNullable<State[Name]>) => string = String,
): Field<State> {
  return {
    write: (state) => {
      const value = state[name];
      return value === start[name] || value === null || value === undefined ? null : format(value);
    },
    read: (state, written) => {
      const value = parse(written);
      if (value !== undefined) state[name] = value;
      return value !== undefined;
    },
  };
}

export function choice<State, Name extends keyof State>(
  start: State,
  name: Name,
  legal: readonly State[Name][],
): Field<State> {
  return field(start, name, (value) => legal.find((one) => one === value));
}

export function text<State>(start: State, name: Of<State, string>): Field<State> {
  return field(start, name, (value) => value as State[typeof name]);
}

export function flag<State>(start: State, name: Of<State, boolean>): Field<State> {
  const values: Readonly<Record<string, boolean>> = { '1': true, '0': false };
  return field(
    start,
    name,
    (value) => values[value] as State[typeof name] | undefined,
    (value) => (value ? '1' : '0'),
  );
}

export function integer<State>(
  start: State,
  name: Of<State, number>,
  low: number,
  high: number,
): Field<State> {
  return field(start, name, (value) => {
    const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
    return number >= low && number <= high ? (number as State[typeof name]) : undefined;
  });
}

/** A list: as at the start where it is empty. */
export function list<State, Item>(
  name: Of<State, readonly Item[]>,
  parse: (value: string) => readonly Item[] | undefined,
  format: (items: readonly Item[]) => string = (items) => items.join(','),
): Field<State> {
  return {
    write: (state) => format((state[name] ?? []) as readonly Item[]) || null,
    read: (state, written) => {
      const items = parse(written);
      if (items !== undefined) state[name] = items as State[typeof name];
      return items !== undefined;
    },
  };
}

/** "fl=10,14" and so on: what is not as at the start. */
export function writeFields<State>(state: State, fields: Fields<State>): Array<[string, string]> {
  return Object.entries(fields).flatMap(([key, { write }]): Array<[string, string]> => {
    const value = write(state);
    return value === null ? [] : [[key, value]];
  });
}

/** What a view adds to the state of the page: how it starts, and its parts of the address. */
export interface ViewState {
  start: object;
  fields: Fields<never>;
}

export function viewState<State extends object>(
  start: Readonly<State>,
  fields: Fields<State>,
): ViewState & { start: Readonly<State>; fields: Fields<State> } {
  return { start, fields };
}
