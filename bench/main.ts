/**
 * The bench: every promised figure, side by side with the peer dockerd in one run.
 * usage: npm run bench -- [--rows run,exec] [--runs N] [--write]
 * `--write` puts the table into docs/benchmarks.md; a row that was not measured, or failed, is named there.
 */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { startOurs } from './ours.ts';
import { startPeer } from './peer.ts';
import type { Row } from './row.ts';
import { ownRows } from './rows/alone.ts';
import { apiRows } from './rows/api.ts';
import { archiveRows } from './rows/archives.ts';
import { diskRows } from './rows/disk.ts';
import { dnsRows } from './rows/dns.ts';
import { memoryRows } from './rows/memory.ts';
import { networkRows } from './rows/network.ts';
import { ownPortRows, portRows } from './rows/ports.ts';
import { runRows } from './rows/run.ts';
import { streamRows } from './rows/streams.ts';
import { transferOwnRows, transferRows } from './rows/transfer.ts';
import { volumeRows } from './rows/volumes.ts';
import { docker, quantile, type Target } from './target.ts';

/** `docker run --rm busybox true` of dockerd on the machine that the promises in milliseconds were made on. */
const REFERENCE_RUN_MS = 200;

const { values } = parseArgs({
  options: { rows: { type: 'string' }, runs: { type: 'string' }, write: { type: 'boolean', default: false } },
});

type Figure = {
  readonly row: Pick<Row, 'title' | 'limit'> & { readonly unit: string };
  readonly theirs: number | undefined;
  readonly ours: number;
  /** What the machine needs for the same bytes alone. */
  readonly floor?: number | undefined;
  /** Load average when the row was measured: beyond the cores, times tell of the machine as much as of the engines. */
  readonly load: number;
};

const all: readonly Row[] = [
  ...memoryRows,
  ...runRows,
  ...apiRows,
  ...streamRows,
  ...transferRows,
  ...archiveRows,
  ...portRows,
  ...volumeRows,
  ...networkRows,
  ...diskRows,
  ...dnsRows,
];
const allAlone = [...ownRows, ...transferOwnRows, ...ownPortRows];
const wanted = values.rows?.split(',');
const rows = all.filter(row => !wanted || wanted.includes(row.id));
const alone = allAlone.filter(row => !wanted || wanted.includes(row.id));
if (rows.length + alone.length === 0)
  throw new Error(`no such row; there are ${[...all, ...allAlone].map(row => row.id).join(', ')}`);

const figures: Figure[] = [];
const failures: string[] = [];
{
  await using peer = await startPeer();
  await using ours = await startOurs();
  const busybox = await busyboxArchive();
  for (const target of [peer, ours]) if (target) await docker(target, ['import', busybox, 'busybox']);
  for (const row of rows) {
    await attempt(row.title, async () => {
      const targets: Target[] = peer ? [peer, ours] : [ours];
      const measured = new Map<Target, number>();
      let floor: number | undefined;
      // In turns, so that what else the machine does falls on both alike; but one engine's crowd must not weigh on the other.
      for (const group of row.heavy ? targets.map(target => [target]) : [targets])
        floor = (await measureInTurns(row, group, measured)) ?? floor;
      return { row, theirs: peer && measured.get(peer), ours: measured.get(ours) ?? Number.NaN, floor };
    });
  }
  for (const row of alone) {
    await attempt(row.title, async () => ({
      row: { ...row, limit: { absolute: row.atMost } },
      theirs: undefined,
      ours: await row.measure(ours),
    }));
  }
}
if (failures.length > 0) process.exitCode = 1;

/** Measures one row; when it fails, the others are measured all the same. */
async function attempt(title: string, measure: () => Promise<Omit<Figure, 'load'>>): Promise<void> {
  const [load = 0] = loadavg();
  try {
    const figure = { ...(await measure()), load };
    figures.push(figure);
    console.log(lineOf(figure));
  } catch (error) {
    failures.push(title);
    console.log(`${title}: failed: ${error instanceof Error ? error.message : String(error)}`);
  }
  // After each row, so that a run that is cut off leaves what it found.
  if (values.write) write(figures);
}

async function measureInTurns(
  row: Row,
  targets: readonly Target[],
  medians: Map<Target, number>,
): Promise<number | undefined> {
  let floor: number | undefined;
  const results = new Map<Target, number[]>(targets.map(target => [target, []]));
  for (const target of targets) await row.prepare?.(target);
  try {
    const runs = row.runs === 1 ? 1 : Number(values.runs ?? row.runs);
    // The first of several is a warm-up that does not count.
    for (let run = runs === 1 ? 0 : -1; run < runs; run++) {
      for (const target of targets) {
        const result = await row.measure(target, run);
        if (run >= 0) results.get(target)?.push(result);
      }
    }
    floor = await row.floor?.();
  } finally {
    for (const target of targets) await row.restore?.(target);
  }
  for (const [target, figures] of results) medians.set(target, quantile(figures));
  return floor;
}

/** A busybox root file system: GANTRY_BENCH_BUSYBOX, or one that is made once from Debian's busybox-static. */
async function busyboxArchive(): Promise<string> {
  const given = process.env.GANTRY_BENCH_BUSYBOX;
  if (given) return given;
  const path = '/var/tmp/images/busybox.tar';
  if (existsSync(path)) return path;
  const root = mkdtempSync(join(tmpdir(), 'gantry-bench-busybox-'));
  try {
    for (const name of ['bin', 'etc', 'proc', 'sys', 'dev', 'tmp', 'root']) mkdirSync(join(root, name));
    const program = ['/usr/bin/busybox', '/bin/busybox'].find(existsSync);
    if (!program) throw new Error('the bench needs busybox: install the package busybox-static');
    copyFileSync(program, join(root, 'bin/busybox'));
    const applets = execFileSync(program, ['--list'], { encoding: 'utf8' }).split('\n');
    for (const applet of applets) if (applet && applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet));
    writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
    writeFileSync(join(root, 'etc/group'), 'root:x:0:\n');
    mkdirSync(dirname(path), { recursive: true });
    execFileSync('tar', ['-C', root, '-cf', `${path}.part`, '.']);
    renameSync(`${path}.part`, path);
  } finally {
    rmSync(root, { recursive: true });
  }
  return path;
}

/** How many times longer dockerd takes for the same here: 1 or less where that was not measured, or this machine is faster. */
function slownessOfMachine(measured: readonly Figure[]): number {
  const run = measured.find(({ row }) => row.title === runRows[0]?.title);
  return (run?.theirs ?? REFERENCE_RUN_MS) / REFERENCE_RUN_MS;
}

function kept({ row, theirs, ours }: Figure): 'kept' | 'NOT KEPT' | 'kept at the pace of this machine' | undefined {
  if ('absolute' in row.limit) {
    if (ours <= row.limit.absolute) return 'kept';
    const isTime = row.unit === 'ms';
    const paced = row.limit.absolute * Math.max(1, slownessOfMachine(figures));
    return isTime && ours <= paced ? 'kept at the pace of this machine' : 'NOT KEPT';
  }
  if (theirs === undefined) return undefined;
  return ours <= theirs * row.limit.ratio ? 'kept' : 'NOT KEPT';
}

function cells(figure: Figure): [string, string, string, string, string, string] {
  const { row, theirs, ours, floor } = figure;
  const show = (value: number | undefined): string =>
    value === undefined ? '–' : `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${row.unit}`;
  const limit = 'absolute' in row.limit ? show(row.limit.absolute) : `${row.limit.ratio.toFixed(2)} ×`;
  const word = kept(figure) ?? '?';
  const share =
    floor === undefined ? '' : ` (the bytes alone: ${show(floor)}, ${Math.round((floor / ours) * 100)} % of ours)`;
  return [row.title, show(theirs), show(ours) + share, theirs ? `${(ours / theirs).toFixed(2)} ×` : '', limit, word];
}

function lineOf(figure: Figure): string {
  const [title, theirs, ours, ratio, limit, verdict] = cells(figure);
  return `${title.padEnd(62)} ${theirs.padStart(12)} ${ours.padStart(12)} ${ratio.padStart(8)}  limit ${limit.padEnd(9)} ${verdict.padEnd(8)}  load ${figure.load.toFixed(1)}`;
}

function notMeasured(measured: readonly Figure[]): string[] {
  const known = new Set(measured.map(({ row }) => row.title));
  const missing = [...all, ...allAlone].map(({ title }) => title).filter(title => !known.has(title));
  if (missing.length === 0) return [];
  const state = (title: string): string => (failures.includes(title) ? 'failed' : 'not measured in this run');
  return ['Promised, without a figure here:', '', ...missing.map(title => `- ${title} (${state(title)})`), ''];
}

function write(measured: readonly Figure[]): void {
  const path = resolve(import.meta.dirname, '../docs/benchmarks.md');
  const text = [
    '# Benchmarks',
    '',
    `Measured by \`npm run bench -- --write\` on ${new Date().toISOString().slice(0, 10)}: ${cpus().length} cores, ` +
      `kernel ${release()}, dockerd 28.5 and Gantry in one run, driven by the official client; medians.`,
    '',
    'The load is the average of the last minute when the row began. Well beyond the number of cores the machine was shared with',
    'other work: absolute times then show the wait for a core. Most ratios are of runs in turns and hold all the same; rows with a',
    'crowd of containers, and those that run once, are measured one engine after the other, and a change of load shows in them.',
    '',
    `Limits in milliseconds were set on a machine where dockerd takes ${REFERENCE_RUN_MS} ms for \`docker run --rm busybox true\`; here it took`,
    `${slownessOfMachine(measured).toFixed(2)} times as long. A time beyond its limit, but within the limit times that factor, is named so.`,
    '',
    '| work | dockerd | gantry | ratio | ours must be at most | | load |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...measured.map(figure => `| ${[...cells(figure), figure.load.toFixed(1)].join(' | ')} |`),
    '',
    ...notMeasured(measured),
  ];
  writeFileSync(path, text.join('\n'));
}
