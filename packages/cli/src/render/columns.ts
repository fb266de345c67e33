/** Columns are at least this wide, and this far apart, as in Docker's tables. */
const MIN_WIDTH = 10;
const PADDING = 3;

/**
 * Lays out lines whose cells are separated by tabs. A column is as wide as its widest cell in a run of lines that have it;
 * what follows a line's last tab is no part of a column.
 */
export function alignColumns(text: string, minWidth = MIN_WIDTH, padding = PADDING): string {
  const rows = text.split('\n').map(line => line.split('\t'));
  const out = rows.map(() => '');
  const layOut = (from: number, to: number, column: number) => {
    for (let start = from; start < to; ) {
      // The last cell of a line is not terminated by a tab.
      if ((rows[start]?.length ?? 0) - 1 <= column) {
        out[start] += rows[start]?.[column] ?? '';
        start++;
        continue;
      }
      let end = start;
      let widest = 0;
      while (end < to && (rows[end]?.length ?? 0) - 1 > column) {
        widest = Math.max(widest, length(rows[end]?.[column] ?? ''));
        end++;
      }
      const width = Math.max(minWidth, widest + padding);
      for (let row = start; row < end; row++) {
        const cell = rows[row]?.[column] ?? '';
        out[row] += cell + ' '.repeat(width - length(cell));
      }
      layOut(start, end, column + 1);
      start = end;
    }
  };
  layOut(0, rows.length, 0);
  return out.join('\n');
}

function length(text: string): number {
  // Characters, not UTF-16 units.
  let count = 0;
  for (const _ of text) count++;
  return count;
}
