/** Numbers as people read them: the digits that matter and no more. */

/** Stands for a number that there is not: of no target, for example. */
export const NONE = '–';

/** "0.413", "0.012", "3e−5", "<1e−9": a probability, at most five characters. */
export function probability(value: number): string {
  if (Number.isNaN(value)) return NONE;
  if (value >= 0.0005) return value.toFixed(3);
  if (value > 0 && value < 1e-9) return '<1e−9';
  return value === 0 ? '0' : value.toExponential(0).replace('e-', 'e−');
}

/** A rank, from 1: "#42", "#12k" from a thousand on; 0 is none. */
export function rank(value: number): string {
  if (value === 0) return NONE;
  if (value < 1000) return `#${value}`;
  return value < 1_000_000 ? `#${Math.round(value / 1000)}k` : `#${(value / 1e6).toFixed(1)}M`;
}

/** "17.3", "−4.1": a logit. */
export function logit(value: number): string {
  return Number.isNaN(value) ? NONE : minus(value.toFixed(1).replace('-0.0', '0.0'));
}

/** Entropies and divergences, where a thousandth is nothing. */
export function nats(value: number): string {
  return Number.isNaN(value) ? NONE : value.toFixed(2).replace('-0.00', '0.00');
}

/** Norms, activations and other plain quantities. */
export function quantity(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && size < 0.005) return minus(value.toExponential(0));
  return minus(value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2));
}

/** Three figures of any size: "2710", "−1.28", "0.0123", "4.1e−5"; whole numbers from a thousand on. */
export function figures(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size < 0.001) return minus(value.toExponential(1));
  return minus(size >= 999.5 ? value.toFixed(0) : value.toPrecision(3));
}

/** "0.655", "−0.020": a share that may be beyond 0 and 1. */
export function part(value: number): string {
  return minus(value.toFixed(3).replace('-0.000', '0.000'));
}

/** A difference, with its sign always shown. */
export function signed(value: number, digits = 3): string {
  if (Math.abs(value) < 0.5 * 10 ** -digits) return `±${(0).toFixed(digits)}`;
  return `${value > 0 ? '+' : '−'}${Math.abs(value).toFixed(digits)}`;
}

/** "12 %", "0.4 %", "−3.1 %": a share. */
export function percent(share: number): string {
  const value = share * 100;
  const digits = Math.abs(value) < 9.95 ? 1 : 0;
  return `${minus(value.toFixed(digits).replace('-0.0', '0.0'))} %`;
}

/** "1 token", "12 tokens". */
export function count(number: number, noun: string): string {
  return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;
}

/** "3 s", "2 min": time left, never more exact than it is known. */
export function duration(seconds: number): string {
  if (seconds < 1) return 'under 1 s';
  return seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

/** "4.2 GB", "120 MB", "3 kB": sizes on disk and in memory. */
export function bytes(size: number): string {
  if (size >= 1e9) return `${(size / 1e9).toFixed(1)} GB`;
  return size >= 1e6 ? `${Math.round(size / 1e6)} MB` : `${Math.ceil(size / 1e3)} kB`;
}

function minus(text: string): string {
  return text.replaceAll('-', '−');
}
