/**
 * The bench: every promised figure, side by side with the peer dockerd in one run.
 * usage: npm run bench -- [--rows run,exec] [--runs N] [--write]
 * `--write` puts the table into docs/benchmarks.md.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { startOurs } from './ours.ts';
import { startPeer } from './peer.ts';
import type { Row } from './row.ts';
import { ownRows } from './rows/alone.ts';
import { apiRows } from './rows/api.ts';
import { memoryRows } from './rows/memory.ts';
import { runRows } from './rows/run.ts';
import { streamRows } from './rows/streams.ts';
import { docker, quantile, type Target } from './target.ts';

const { values } = parseArgs({
  options: { rows: { type: 'string' }, runs: { type: 'string' }, write: { type: 'boolean', default: false } },
});

type Figure = {
  readonly row: Pick<Row, 'title' | 'limit'> & { readonly unit: string };
  readonly theirs: number | undefined;
  readonly ours: number;
};

const all: readonly Row[] = [...memoryRows, ...runRows, ...apiRows, ...streamRows];
const wanted = values.rows?.split(',');
const rows = all.filter(row => !wanted || wanted.includes(row.id));
const alone = ownRows.filter(row => !wanted || wanted.includes(row.id));
if (rows.length + alone.length === 0)
  throw new Error(`no such row; there are ${[...all, ...ownRows].map(row => row.id).join(', ')}`);

const figures: Figure[] = [];
{
  await using peer = await startPeer();
  await using ours = await startOurs();
  const busybox = await busyboxArchive();
  for (const target of [peer, ours]) if (target) await docker(target, ['import', busybox, 'busybox']);
  for (const row of rows) {
    // One engine's containers must not weigh on the other's figures, so each row is measured engine by engine.
    const theirs = peer && (await figureOf(row, peer));
    const figure = { row, theirs, ours: await figureOf(row, ours) };
    figures.push(figure);
    console.log(lineOf(figure));
  }
  for (const row of alone) {
    const figure = {
      row: { ...row, limit: { absolute: row.atMost } },
      theirs: undefined,
      ours: await row.measure(ours),
    };
    figures.push(figure);
    console.log(lineOf(figure));
  }
}
if (values.write) write(figures);

async function figureOf(row: Row, target: Target): Promise<number> {
  await row.prepare?.(target);
  const results: number[] = [];
  const runs = row.runs === 1 ? 1 : Number(values.runs ?? row.runs);
  for (let run = 0; run < runs; run++) results.push(await row.measure(target, run));
  await row.restore?.(target);
  return quantile(results);
}

async function busyboxArchive(): Promise<string> {
  const path = process.env.GANTRY_BENCH_BUSYBOX ?? '/var/tmp/images/busybox.tar';
  readFileSync(path);
  return path;
}

function kept({ row, theirs, ours }: Figure): boolean | undefined {
  if ('absolute' in row.limit) return ours <= row.limit.absolute;
  return theirs === undefined ? undefined : ours <= theirs * row.limit.ratio;
}

function cells(figure: Figure): [string, string, string, string, string, string] {
  const { row, theirs, ours } = figure;
  const show = (value: number | undefined): string =>
    value === undefined ? '–' : `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${row.unit}`;
  const limit = 'absolute' in row.limit ? show(row.limit.absolute) : `${row.limit.ratio.toFixed(2)} ×`;
  const verdict = kept(figure);
  const word = verdict === undefined ? '?' : verdict ? 'kept' : 'NOT KEPT';
  return [row.title, show(theirs), show(ours), theirs ? `${(ours / theirs).toFixed(2)} ×` : '', limit, word];
}

function lineOf(figure: Figure): string {
  const [title, theirs, ours, ratio, limit, verdict] = cells(figure);
  return `${title.padEnd(62)} ${theirs.padStart(12)} ${ours.padStart(12)} ${ratio.padStart(8)}  limit ${limit.padEnd(9)} ${verdict}`;
}

function write(measured: readonly Figure[]): void {
  const path = resolve(import.meta.dirname, '../docs/benchmarks.md');
  const text = [
    '# Benchmarks',
    '',
    `Measured by \`npm run bench -- --write\` on ${new Date().toISOString().slice(0, 10)}: ${cpus().length} cores, ` +
      `kernel ${release()}, dockerd 28.5 and Gantry in one run, driven by the official client; medians.`,
    '',
    '| work | dockerd | gantry | ratio | ours must be at most | |',
    '| --- | --- | --- | --- | --- | --- |',
    ...measured.map(figure => `| ${cells(figure).join(' | ')} |`),
    '',
  ];
  writeFileSync(path, text.join('\n'));
}
