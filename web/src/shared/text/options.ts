/**
 * Options of a question as the server declares them (`questions.gen.ts`): how they start, how they
 * stand in the address, what is asked for, and how Python says it. An option that is added there gets
 * all four from here.
 */
import { choice, field, flag, integer, list, text, type Field, type Fields } from './fields';

export interface OptionInfo {
  kind: string;
  /** Absent: it must be given. */
  default?: unknown;
  low?: number;
  high?: number;
  choices?: readonly string[];
}

export type Options = Readonly<Record<string, OptionInfo>>;

type Value<Info> = Info extends { choices: readonly (infer Choice)[] }
  ? Choice
  : Info extends { kind: 'boolean' }
    ? boolean
    : Info extends { kind: 'integer' | 'number'; default: null }
      ? number | null
      : Info extends { kind: 'integer' | 'number' }
        ? number
        : Info extends { kind: 'text' }
          ? string
          : Info extends { kind: 'names' }
            ? readonly string[]
            : Info extends { kind: 'text or names' }
              ? string | string[]
              : never;

/** What each option is set to. */
export type Values<Table> = { -readonly [Name in keyof Table]: Value<Table[Name]> };

/** A state that has options among its own fields; which they are, only their table says. */
type Loose = Record<string, unknown>;

/** Those that a view keeps as they are named: all but the ones it says in another way. */
export function own<Table extends object, Other extends keyof Table>(
  table: Table,
  others: readonly Other[],
): Omit<Table, Other> {
  return Object.fromEntries(
    Object.entries(table).filter(([name]) => !others.some((other) => other === name)),
  ) as Omit<Table, Other>;
}

export function defaultsOf<Table extends object>(table: Table): Values<Table> {
  return Object.fromEntries(
    Object.entries(table as Options).map(([name, info]) => [name, info.default]),
  ) as Values<Table>;
}

/** Parts of the address, each under the name that `keys` gives it, else under its own, after the view's. */
export function optionFields<State extends object>(
  view: string,
  table: object,
  keys: Readonly<Record<string, string>>,
  special: Readonly<Record<string, Field<State>>> = {},
): Fields<State> {
  return Object.fromEntries(
    Object.entries(table as Options).flatMap(([name, info]) => {
      const made = special[name] ?? optionField(name, info);
      return made ? [[keys[name] ?? `${view}.${name}`, made]] : [];
    }),
  ) as Fields<State>;
}

/** Null: nothing that an address can say. */
function optionField(name: string, info: OptionInfo): Field<Loose> | null {
  const start: Loose = { [name]: info.default };
  const { low = 0, high = Infinity } = info;
  switch (info.kind) {
    case 'boolean':
      return flag(start, name);
    case 'choice':
      return choice(start, name, info.choices ?? []);
    case 'integer':
      return integer(start, name, low, high);
    case 'number':
      return field(start, name, (value) => {
        const number = /^\d{1,6}(\.\d{1,6})?$/.test(value) ? Number(value) : Number.NaN;
        return number >= low && number <= high ? number : undefined;
      });
    case 'text':
      return text(start, name);
    case 'token':
      return field(start, name, (value) => value);
    case 'names':
      return list<Loose, string>(name, (value) => [...new Set(value.split(','))]);
    default:
      return null;
  }
}

/** Those that are not as at the start, by their names: the rest of a request. */
export function chosen<Table extends object>(
  state: Values<Table>,
  table: Table,
): Partial<Values<Table>> {
  const values = state as Loose;
  return Object.fromEntries(
    Object.entries(table as Options)
      .filter(([name, info]) => JSON.stringify(values[name]) !== JSON.stringify(info.default))
      .map(([name]) => [name, values[name]]),
  ) as Partial<Values<Table>>;
}

/** "layer_step=2", and so on. */
export function optionsPython(options: object): string[] {
  return Object.entries(options).map(([name, value]) => `${name}=${literal(value)}`);
}

/** A Python string literal: JSON's escapes are Python's too, but for characters beyond the 16-bit plane, which JSON leaves as they are. */
export function quote(value: string): string {
  return JSON.stringify(value.toWellFormed());
}

function literal(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (value === null) return 'None';
  if (Array.isArray(value)) return `(${value.map((one) => `${literal(one)},`).join(' ')})`;
  return typeof value === 'string' ? quote(value) : String(value);
}
