import { invalidParameter } from '@gantry/errors';
import { SIGRTMAX, signalNumber } from '@gantry/linux';

/** The number of a signal given as `KILL`, `SIGKILL`, `9` or `RTMIN+3`. @throws invalidParameter `invalid signal: X` */
export function parseSignal(text: string): number {
  const number = signalNumber(text);
  if (number === undefined || number > SIGRTMAX) throw invalidParameter(`invalid signal: ${text}`);
  return number;
}
