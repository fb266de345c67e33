import { constants } from 'node:os';

/** The first real-time signal that programs may use; the C library keeps 32 and 33. */
export const SIGRTMIN = 34;
export const SIGRTMAX = 64;

const numbers = new Map<string, number>(
  Object.entries(constants.signals).map(([name, number]) => [name.slice('SIG'.length), number]),
);
for (const [alias, name] of [
  ['CLD', 'CHLD'],
  ['POLL', 'IO'],
  ['IOT', 'ABRT'],
] as const) {
  const number = numbers.get(name);
  if (number !== undefined) numbers.set(alias, number);
}
numbers.set('RTMIN', SIGRTMIN);
numbers.set('RTMAX', SIGRTMAX);
for (let offset = 1; offset <= 15; offset++) numbers.set(`RTMIN+${offset}`, SIGRTMIN + offset);
for (let offset = 1; offset <= 14; offset++) numbers.set(`RTMAX-${offset}`, SIGRTMAX - offset);

/**
 * The number of a signal given as `SIGKILL`, `kill`, `RTMIN+3` or `9`; undefined when there is no such signal.
 * Numbers are taken as they are, but for 0.
 */
export function signalNumber(text: string): number | undefined {
  if (/^\d+$/.test(text)) {
    const number = Number(text);
    return number === 0 ? undefined : number;
  }
  const upper = text.toUpperCase();
  return numbers.get(upper.startsWith('SIG') ? upper.slice(3) : upper);
}

/** The name without `SIG` of a signal number, as `KILL`; undefined when it has none. */
export function signalName(number: number): string | undefined {
  for (const [name, value] of numbers) if (value === number) return name;
  return undefined;
}
