const PREFIXES = 'kmgtp';

/**
 * Parses a size as Docker's options have it: `10m`, `1.5GB`, `512`, `1 GiB`.
 * @param base 1000 for SI sizes (log files), 1024 for memory
 * @returns bytes, or the reason why it is none, in the words of dockerd
 */
export function parseSize(text: string, base: 1000 | 1024): number | string {
  const [, digits = '', suffix = ''] = /^([-+0-9.eE]*[0-9.]) ?([^0-9. ]*)$/.exec(text) ?? [];
  if (digits === '') return `invalid size: '${text}'`;
  const number = Number(digits);
  if (Number.isNaN(number)) return `strconv.ParseFloat: parsing ${JSON.stringify(digits)}: invalid syntax`;
  if (number < 0) return `invalid size: '${text}'`;
  const unit = suffix.toLowerCase();
  if (unit === '' || unit === 'b') return Math.trunc(number);
  const power = PREFIXES.indexOf(unit.charAt(0)) + 1;
  if (power === 0 || !['', 'b', 'ib'].includes(unit.slice(1))) return `invalid suffix: '${unit}'`;
  return Math.trunc(number * base ** power);
}
