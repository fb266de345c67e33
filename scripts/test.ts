/**
 * Runs every test of the project, two files at a time: the packages' own, then those that drive a whole daemon, each with roots,
 * bridges and subnets of its own. `npm test -- PATTERN...` runs the named files only, one after the other.
 * Fails when a test fails, or when something that carries our name is left on the machine.
 */
import { glob } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { leftovers, removeEmptyParentCgroups } from './test/leftovers.ts';
import { meetNeeds } from './test/needs.ts';

/** A file that hangs is ended; the longest kills a daemon two hundred times in CI. */
const FILE_TIMEOUT_MS = 10 * 60_000;

/** How many files are named at the end with the time that they took. */
const SLOWEST = 12;

const top = resolve(import.meta.dirname, '..');
const total = { tests: 0, suites: 0, passed: 0, failed: 0, cancelled: 0, skipped: 0, todo: 0 };
const skipped = new Map<string, number>();
/** Milliseconds that each file took, beside those that ran at the same time. */
const durations = new Map<string, number>();

async function filesOf(...patterns: string[]): Promise<string[]> {
  const files: string[] = [];
  for await (const file of glob(patterns, { cwd: top, exclude: name => name === 'node_modules' }))
    files.push(resolve(top, file));
  return files.sort();
}

function runFiles(files: readonly string[], concurrency: number): Promise<void> {
  if (files.length === 0) return Promise.resolve();
  const stream = run({ files: [...files], concurrency, timeout: FILE_TIMEOUT_MS, cwd: top });
  stream.on('test:summary', ({ file, counts, duration_ms: durationMs }) => {
    if (file !== undefined) {
      durations.set(relative(top, file), durationMs);
      return; // the sum of all files follows
    }
    for (const key of Object.keys(total) as (keyof typeof total)[]) {
      if (key !== 'failed') total[key] += counts[key];
    }
    total.failed += counts.tests - counts.passed - counts.skipped - counts.todo - counts.cancelled;
  });
  stream.on('test:pass', ({ skip }) => {
    if (skip !== undefined) skipped.set(String(skip), (skipped.get(String(skip)) ?? 0) + 1);
  });
  return new Promise((done, failed) => {
    const report = stream.compose(new spec());
    report.on('error', failed);
    report.on('end', done);
    report.pipe(process.stdout, { end: false });
  });
}

async function main(patterns: readonly string[]): Promise<number> {
  const began = performance.now();
  const before = leftovers();
  const missing = meetNeeds(top);
  if (missing.length > 0) console.error(`test: not installed, tests that need it will fail: ${missing.join(', ')}`);
  if (patterns.length > 0) {
    await runFiles(await filesOf(...patterns), 1);
  } else {
    await runFiles(await filesOf('packages/*/src/**/*.test.ts', 'scripts/**/*.test.ts', 'bench/**/*.test.ts'), 2);
    // The longest first: at the end nobody waits for one of them.
    const long = await filesOf('test/{faults,vm}/**/*.test.ts');
    const all = await filesOf('test/**/*.test.ts');
    await runFiles([...long, ...all.filter(file => !long.includes(file))], 2);
  }
  removeEmptyParentCgroups(before);
  const left = [...leftovers()].filter(line => !before.has(line));
  for (const line of left) console.log(`left behind by the tests: ${line}`);
  for (const [file, durationMs] of [...durations].toSorted(([, a], [, b]) => b - a).slice(0, SLOWEST)) {
    console.log(`${(durationMs / 1000).toFixed(0)} s: ${file}`);
  }
  for (const [reason, count] of skipped) console.log(`skipped ${count}: ${reason}`);
  // As root in CI everything runs, but for what this kernel lacks.
  const unexcused =
    process.env.CI && process.getuid?.() === 0
      ? [...skipped.keys()].filter(reason => !/kernel|lacks|needs cgroup version/.test(reason))
      : [];
  if (unexcused.length > 0) console.log(`skipped without an excuse in CI: ${unexcused.join('; ')}`);
  console.log(
    `# tests ${total.tests}\n# suites ${total.suites}\n# pass ${total.passed}\n# fail ${total.failed}\n# cancelled ${total.cancelled}\n` +
      `# skipped ${total.skipped}\n# todo ${total.todo}\n# duration_ms ${(performance.now() - began).toFixed(0)}`,
  );
  const good =
    total.failed === 0 && total.cancelled === 0 && total.tests > 0 && left.length === 0 && unexcused.length === 0;
  return good ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
