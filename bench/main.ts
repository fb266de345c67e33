/**
 * The bench: every promised figure, side by side with the peer dockerd in one run.
 * usage: npm run bench -- [--rows run,exec] [--runs N] [--write]
 * `--write` puts what was measured into docs/benchmarks.md, beside what was measured before; a row that never was is named there.
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
import { loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { startOurs } from './ours.ts';
import { startPeer } from './peer.ts';
import { type Figure, openResults } from './results.ts';
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

const { values } = parseArgs({
  options: { rows: { type: 'string' }, runs: { type: 'string' }, write: { type: 'boolean', default: false } },
});

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

const book = openResults(
  [...all, ...allAlone].map(({ id, title }) => ({ id, title })),
  runRows[0]?.id ?? '',
);
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
      return {
        ...described(row, row.limit),
        ...(peer ? { theirs: measured.get(peer) } : {}),
        ours: measured.get(ours) ?? Number.NaN,
        ...(floor === undefined ? {} : { floor }),
      };
    });
  }
  for (const row of alone) {
    await attempt(row.title, async () => ({
      ...described(row, { absolute: row.atMost }),
      ours: await row.measure(ours),
    }));
  }
}
if (failures.length > 0) process.exitCode = 1;

function described(
  { id, title, unit }: Pick<Row, 'id' | 'title'> & { readonly unit: string },
  limit: Row['limit'],
): Pick<Figure, 'id' | 'title' | 'unit' | 'limit'> {
  return { id, title, unit, limit };
}

/** Measures one row; when it fails, the others are measured all the same. */
async function attempt(title: string, measure: () => Promise<Omit<Figure, 'load' | 'day'>>): Promise<void> {
  const [load = 0] = loadavg();
  try {
    const figure = { ...(await measure()), load, day: new Date().toISOString().slice(0, 10) };
    book.put(figure);
    console.log(book.lineOf(figure));
  } catch (error) {
    failures.push(title);
    console.log(`${title}: failed: ${error instanceof Error ? error.message : String(error)}`);
  }
  // After each row, so that a run that is cut off leaves what it found.
  if (values.write) book.write();
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
