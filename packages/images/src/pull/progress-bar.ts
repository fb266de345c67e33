const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** A size with four digits and decimal units: `1.084MB`. */
export function humanSize(bytes: number): string {
  let unit = 0;
  let value = bytes;
  for (; value >= 1000 && unit < UNITS.length - 1; unit++) value /= 1000;
  return `${Number(value.toPrecision(4))}${UNITS[unit]}`;
}

/** The bar of 50 signs that Docker sends with progress, as `[====>    ]  1.2MB/5MB`. */
export function progressBar(current: number, total: number): string {
  if (current <= 0 && total <= 0) return '';
  const size = humanSize(current).padStart(8);
  if (total <= 0) return size;
  const done = Math.min(Math.floor(Math.floor((current / total) * 100) / 2), 50);
  const numbers = current > total ? size : `${size}/${humanSize(total)}`;
  return `[${'='.repeat(done)}>${' '.repeat(50 - done)}] ${numbers}`;
}
