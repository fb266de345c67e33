import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { resolve } from 'node:path';
import type { Row } from './row.ts';

/** What one row of the table gave. */
export type Figure = Pick<Row, 'id' | 'title' | 'limit'> & {
  readonly unit: string;
  readonly theirs?: number | undefined;
  readonly ours: number;
  /** What the machine needs for the same bytes alone. */
  readonly floor?: number | undefined;
  /** Load average when the row was measured: beyond the cores, times tell of the machine as much as of the engines. */
  readonly load: number;
  /** YYYY-MM-DD */
  readonly day: string;
};

/** The figures that were measured last, of each row; kept as data beside the table that is made of them. */
export type Results = {
  put(figure: Figure): void;
  /** One line for the terminal. */
  lineOf(figure: Figure): string;
  /** Writes docs/benchmarks.json and docs/benchmarks.md. */
  write(): void;
};

/** `docker run --rm busybox true` of dockerd on the machine that the promises in milliseconds were made on. */
const REFERENCE_RUN_MS = 200;

const docs = resolve(import.meta.dirname, '../docs');

/** @param rows all there are, in the table's order; @param paceId the row that tells how fast this machine is */
export function openResults(rows: readonly { readonly id: string; readonly title: string }[], paceId: string): Results {
  const path = resolve(docs, 'benchmarks.json');
  const figures = new Map(
    (JSON.parse(readFileSync(path, 'utf8')) as readonly Figure[]).map(figure => [figure.id, figure]),
  );

  /** How many times longer dockerd takes here than where the limits in milliseconds were set. */
  const slowness = (): number => (figures.get(paceId)?.theirs ?? REFERENCE_RUN_MS) / REFERENCE_RUN_MS;

  const verdict = ({ limit, unit, ours, theirs }: Figure): string => {
    if ('ratio' in limit) return theirs === undefined ? '?' : ours <= theirs * limit.ratio ? 'kept' : 'NOT KEPT';
    if (ours <= limit.absolute) return 'kept';
    const isPaced = unit === 'ms' && ours <= limit.absolute * Math.max(1, slowness());
    return isPaced ? 'kept at the pace of this machine' : 'NOT KEPT';
  };

  const cells = (figure: Figure): [string, string, string, string, string, string] => {
    const { title, unit, limit, theirs, ours, floor } = figure;
    const show = (value: number | undefined): string =>
      value === undefined ? '–' : `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${unit}`;
    const bound = 'absolute' in limit ? show(limit.absolute) : `${limit.ratio.toFixed(2)} ×`;
    const share =
      floor === undefined ? '' : ` (the bytes alone: ${show(floor)}, ${Math.round((floor / ours) * 100)} % of ours)`;
    const ratio = theirs ? `${(ours / theirs).toFixed(2)} ×` : '';
    return [title, show(theirs), show(ours) + share, ratio, bound, verdict(figure)];
  };

  const page = (): string => {
    const measured = rows.flatMap(({ id }) => figures.get(id) ?? []);
    const missing = rows.filter(({ id }) => !figures.has(id));
    return [
      '# Benchmarks',
      '',
      `Measured by \`npm run bench -- --write\`: ${cpus().length} cores, kernel ${release()}, dockerd 28.5 and Gantry row by row in one`,
      'run, driven by the official client; medians. `--rows` measures some anew, so each has its day.',
      '',
      'The load is the average of the last minute when the row began. Well beyond the number of cores the machine was shared with',
      'other work: absolute times then show the wait for a core. Most ratios are of runs in turns and hold all the same; rows with a',
      'crowd of containers, and those that run once, are measured one engine after the other, and a change of load shows in them.',
      '',
      `Limits in milliseconds were set on a machine where dockerd takes ${REFERENCE_RUN_MS} ms for \`docker run --rm busybox true\`; here it took`,
      `${slowness().toFixed(2)} times as long. A time beyond its limit, but within the limit times that factor, is named so.`,
      '',
      '| work | dockerd | gantry | ratio | ours must be at most | | load | day |',
      '| --- | --- | --- | --- | --- | --- | --- | --- |',
      ...measured.map(figure => `| ${[...cells(figure), figure.load.toFixed(1), figure.day].join(' | ')} |`),
      '',
      ...(missing.length === 0
        ? []
        : ['Promised, without a figure here:', '', ...missing.map(({ title }) => `- ${title}`), '']),
    ].join('\n');
  };

  return {
    put: figure => {
      figures.set(figure.id, figure);
    },
    lineOf: figure => {
      const [title, theirs, ours, ratio, limit, word] = cells(figure);
      return `${title.padEnd(62)} ${theirs.padStart(12)} ${ours.padStart(12)} ${ratio.padStart(8)}  limit ${limit.padEnd(9)} ${word.padEnd(8)}  load ${figure.load.toFixed(1)}`;
    },
    write: () => {
      const lines = rows.flatMap(({ id }) => figures.get(id) ?? []).map(figure => JSON.stringify(figure));
      writeFileSync(path, `[\n${lines.join(',\n')}\n]\n`);
      writeFileSync(resolve(docs, 'benchmarks.md'), page());
    },
  };
}
