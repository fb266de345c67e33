import { invalidParameter } from '@gantry/errors';
import { SIGRTMAX, signalNumber } from '@gantry/linux';

const hint = `signals are numbered 1 to ${SIGRTMAX}; \`kill -l\` lists them`;

/**
 * The number of a signal given as `KILL`, `SIGKILL`, `9` or `RTMIN+3`. As dockerd's, a number need not be one of Linux;
 * {@link throwUnlessSupported} says whether it can be sent.
 * @throws invalidParameter `invalid signal: X`
 */
export function parseSignal(text: string): number {
  const number = /^[+-]?\d+$/.test(text) ? Number(text) || undefined : signalNumber(text);
  if (number === undefined) throw invalidParameter(`invalid signal: ${text}`, { hint });
  return number;
}

/** @throws invalidParameter in dockerd's words */
export function throwUnlessSupported(signal: number): void {
  if (signal > 0 && signal <= SIGRTMAX) return;
  throw invalidParameter(`the linux daemon does not support signal ${signal}`, { hint });
}
