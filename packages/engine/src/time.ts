/** Nanoseconds since the epoch. */
export type Nanoseconds = bigint;

/** Docker's text for a time that never was. */
export const NEVER = '0001-01-01T00:00:00Z';

let last = 0n;

/** The time now; later than every answer before, so that it also orders what was made. */
export function nowNs(): Nanoseconds {
  const now = BigInt(Date.now()) * 1_000_000n + (process.hrtime.bigint() % 1_000_000n);
  last = now > last ? now : last + 1n;
  return last;
}

export function fromMs(milliseconds: number): Nanoseconds {
  return BigInt(Math.round(milliseconds * 1000)) * 1000n;
}

/** RFC 3339 in UTC with as many fractional digits as needed, as Go prints it. */
export function rfc3339Nano(time: Nanoseconds): string {
  const seconds = time / 1_000_000_000n;
  const fraction = (time % 1_000_000_000n).toString().padStart(9, '0').replace(/0+$/, '');
  const base = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return fraction === '' ? `${base}Z` : `${base}.${fraction}Z`;
}

const HOUR = 3600;

/** A length of time in the words of `docker ps`: `Less than a second`, `3 seconds`, `About an hour`. */
export function humanDuration(length: Nanoseconds): string {
  const exact = Number(length) / 1e9;
  const seconds = Math.trunc(exact);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.trunc(exact / 60);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.trunc(exact / HOUR + 0.5);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 14) return `${Math.trunc(hours / 24)} days`;
  if (hours < 24 * 60) return `${Math.trunc(hours / 24 / 7)} weeks`;
  if (hours < 24 * 730) return `${Math.trunc(hours / 24 / 30)} months`;
  return `${Math.trunc(Math.trunc(exact / HOUR) / 24 / 365)} years`;
}
