/** Docker's way of writing sizes and times. */

const DECIMAL = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB', 'ZB', 'YB'];
const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB', 'ZiB', 'YiB'];

/** `1.98MB`: decimal units with `digits` significant digits. */
export function humanSize(bytes: number, digits = 4): string {
  return scaled(bytes, 1000, DECIMAL, digits);
}

/** `1.5GiB`: binary units with four significant digits. */
export function binarySize(bytes: number): string {
  return scaled(bytes, 1024, BINARY, 4);
}

function scaled(value: number, base: number, units: readonly string[], digits: number): string {
  let at = 0;
  let rest = value;
  while (rest >= base && at < units.length - 1) {
    rest /= base;
    at++;
  }
  return `${significant(rest, digits)}${units[at]}`;
}

/** C's `%.<digits>g`. */
function significant(value: number, digits: number): string {
  if (value === 0) return '0';
  const [mantissa = '', exponent = '0'] = value.toExponential(digits - 1).split('e');
  const power = Number(exponent);
  const trim = (number: string) => (number.includes('.') ? number.replace(/\.?0+$/, '') : number);
  if (power >= digits || power < -4) {
    return `${trim(mantissa)}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
  }
  return trim(value.toFixed(Math.max(0, digits - 1 - power)));
}

/** `About a minute`, `3 weeks`. */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / 1000);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.trunc(milliseconds / 3_600_000 + 0.5);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.trunc(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.trunc(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24 / 30)} months`;
  return `${Math.trunc(Math.trunc(milliseconds / 3_600_000) / 24 / 365)} years`;
}

const SUFFIXES = 'bkmgtp';

/**
 * Reads `512m`, `1.5GiB`, `2KB`: binary multiples, as for memory.
 * @throws Error with Docker's wording
 */
export function parseBytes(text: string): number {
  const [, before = '', given = ''] = /^(.*[\d. ])?([^\d. ]*)$/s.exec(text) ?? [];
  if (before === '') throw new Error(`invalid size: '${text}'`);
  const digits = before.endsWith(' ') ? before.slice(0, -1) : before;
  const suffix = given.toLowerCase();
  const number = Number(digits);
  if (!/^(\d+\.?\d*|\.\d+)$/.test(digits))
    throw new Error(`strconv.ParseFloat: parsing ${JSON.stringify(digits)}: invalid syntax`);
  if (suffix === '') return Math.trunc(number);
  const power = SUFFIXES.indexOf(suffix.charAt(0));
  const tail = suffix.slice(1);
  const known = power === 0 ? tail === '' : tail === '' || tail === 'b' || tail === 'ib';
  if (power < 0 || !known) throw new Error(`invalid suffix: '${given}'`);
  return Math.trunc(number * 1024 ** power);
}

const NANOSECONDS = { ns: 1, us: 1e3, µs: 1e3, μs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 } as const;

/** Reads Go's durations, `1h30m`, in nanoseconds; undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  if (/^[+-]?0$/.test(text)) return 0;
  const [, sign = '', rest = ''] = /^([+-]?)(.*)$/s.exec(text) ?? [];
  if (!/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(rest)) return undefined;
  let total = 0;
  for (const [, amount, unit] of rest.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)) {
    total += Number(amount) * NANOSECONDS[unit as keyof typeof NANOSECONDS];
  }
  return Math.trunc(sign === '-' ? -total : total);
}

/** How long something took: `42 µs` (only with `micro`), `8.4 ms`, `840 ms`, `2.31 s`. */
export function spanOfTime(ms: number, { micro = false }: { readonly micro?: boolean } = {}): string {
  if (micro && ms < 1) return `${Math.round(ms * 1000)} µs`;
  return ms < 1000 ? `${ms < 10 ? Number(ms.toFixed(1)) : Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}
