import { ExitError } from './errors.ts';
import { parseDuration } from './render/units.ts';

/**
 * A point in time as `--since` and `--until` take it: Unix seconds, a date and time in RFC 3339 or part of it (local when it
 * names no zone), or a duration before now. Answers in Unix seconds with nanoseconds, as the API takes it.
 * @throws ExitError
 */
export function parseTimestamp(text: string, prefix = '', now = Date.now()): string {
  const duration = parseDuration(text);
  if (duration !== undefined) {
    const at = BigInt(Math.trunc(now)) * 1_000_000n - BigInt(duration);
    return seconds(at);
  }
  const unix = /^(-?\d+)(?:\.(\d{1,9}))?$/.exec(text);
  if (unix) return `${unix[1]}.${(unix[2] ?? '').padEnd(9, '0')}`;
  const match = /^(\d{4}-\d{2}-\d{2})(?:T(\d{2}(?::\d{2}(?::\d{2})?)?)(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:\d{2})?$/.exec(
    text,
  );
  if (!match) throw new ExitError(1, `${prefix}failed to parse value as time or duration: ${JSON.stringify(text)}`);
  const [, day, clock = '00', fraction = '', zone = ''] = match;
  const time = [...clock.split(':'), '00', '00'].slice(0, 3).join(':');
  const milliseconds = Date.parse(`${day}T${time}${zone}`);
  if (Number.isNaN(milliseconds)) throw new ExitError(1, `parsing time ${JSON.stringify(text)}: out of range`);
  return seconds(BigInt(milliseconds) * 1_000_000n + BigInt(fraction.padEnd(9, '0')));
}

function seconds(nanoseconds: bigint): string {
  return `${nanoseconds / 1_000_000_000n}.${String(nanoseconds % 1_000_000_000n).padStart(9, '0')}`;
}
