import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { CgroupLayout } from './layout.ts';
import { readUsage } from './usage.ts';

let top: string;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'gantry-usage-'));
});
afterEach(() => rmSync(top, { recursive: true }));

function files(tree: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(tree)) {
    mkdirSync(join(top, path, '..'), { recursive: true });
    writeFileSync(join(top, path), text);
  }
}

const v1 = (...names: string[]): CgroupLayout => ({
  version: 1,
  bfq: false,
  hierarchies: names.map(name => ({ mountPoint: join(top, name), name, controllers: name.split(',') })),
});

test('version 1: every controller is read from its own hierarchy', async () => {
  files({
    'cpu,cpuacct/g/c/cpuacct.usage': '25654035\n',
    'cpu,cpuacct/g/c/cpuacct.usage_percpu': '25012909 641126 \n',
    'cpu,cpuacct/g/c/cpuacct.stat': 'user 1\nsystem 2\n',
    'cpu,cpuacct/g/c/cpu.stat': 'nr_periods 4\nnr_throttled 3\nthrottled_time 500\n',
    'memory/g/c/memory.usage_in_bytes': '503808\n',
    'memory/g/c/memory.max_usage_in_bytes': '4616192\n',
    'memory/g/c/memory.limit_in_bytes': '9223372036854771712\n',
    'memory/g/c/memory.failcnt': '7\n',
    'memory/g/c/memory.stat': 'cache 0\nrss 53248\nhierarchical_memory_limit 9223372036854771712\n',
    'pids/g/c/pids.current': '1\n',
    'pids/g/c/pids.max': 'max\n',
    'blkio/g/c/blkio.throttle.io_service_bytes': '8:0 Read 4096\n8:0 Write 0\n8:0 Total 4096\nTotal 4096\n',
    'blkio/g/c/blkio.throttle.io_serviced': '8:0 Read 1\nTotal 1\n',
  });
  const usage = await readUsage(v1('cpu,cpuacct', 'memory', 'pids', 'blkio'), '/g/c');
  assert.ok(usage.version === 1);
  assert.deepEqual(usage.cpu, {
    totalNs: 25654035,
    kernelNs: 20_000_000,
    userNs: 10_000_000,
    perCpuNs: [25012909, 641126],
    periods: 4,
    throttledPeriods: 3,
    throttledNs: 500,
  });
  assert.equal(usage.memory?.usage, 503808);
  assert.equal(usage.memory?.limit, 9223372036854771712n);
  assert.equal(usage.memory?.failures, 7);
  assert.equal(usage.memory?.stat.get('rss'), 53248);
  assert.deepEqual(usage.pids, { current: 1, limit: 18446744073709551615n });
  assert.deepEqual(
    usage.blockIO?.io_service_bytes_recursive.map(({ operation, value }) => [operation, value]),
    [
      ['Read', 4096],
      ['Write', 0],
      ['Total', 4096],
    ],
  );
  assert.deepEqual(usage.blockIO?.io_serviced_recursive, [{ major: 8, minor: 0, operation: 'Read', value: 1 }]);
  assert.deepEqual(usage.blockIO?.sectors_recursive, []);
});

test('version 1: the counters of BFQ come before those of throttling', async () => {
  files({
    'blkio/c/blkio.bfq.io_service_bytes_recursive': '8:0 Read 10\nTotal 10\n',
    'blkio/c/blkio.throttle.io_service_bytes': '8:0 Read 99\n',
  });
  const usage = await readUsage(v1('blkio'), '/c');
  assert.ok(usage.version === 1);
  assert.equal(usage.memory, undefined);
  assert.equal(usage.blockIO?.io_service_bytes_recursive[0]?.value, 10);
});

test('version 2: one directory has it all', async () => {
  files({
    'c/cpu.stat': 'usage_usec 500\nuser_usec 300\nsystem_usec 200\nnr_periods 1\nnr_throttled 1\nthrottled_usec 9\n',
    'c/memory.current': '1000\n',
    'c/memory.max': 'max\n',
    'c/memory.events': 'low 0\nhigh 0\nmax 3\noom 2\noom_kill 1\n',
    'c/memory.stat': 'anon 500\nfile 200\n',
    'c/io.stat': '8:0 rbytes=4096 wbytes=512 rios=1 wios=1 dbytes=0 dios=0\n254:1 rbytes=1 wbytes=2\n',
    'c/pids.current': '2\n',
    'c/pids.max': '100\n',
  });
  const layout: CgroupLayout = { version: 2, mountPoint: top, controllers: new Set(), bfq: false };
  const usage = await readUsage(layout, '/c');
  assert.ok(usage.version === 2);
  assert.equal(usage.cpu.totalNs, 500_000);
  assert.equal(usage.cpu.throttledNs, 9000);
  assert.equal(usage.memory.outOfMemory, 2);
  assert.equal(usage.memory.limit, 18446744073709551615n);
  assert.deepEqual(usage.blockIO, [
    { major: 8, minor: 0, operation: 'read', value: 4096 },
    { major: 8, minor: 0, operation: 'write', value: 512 },
    { major: 254, minor: 1, operation: 'read', value: 1 },
    { major: 254, minor: 1, operation: 'write', value: 2 },
  ]);
  assert.deepEqual(usage.pids, { current: 2, limit: 100 });
});

test('a cgroup that is gone has used nothing', async () => {
  const usage = await readUsage(v1('cpu,cpuacct', 'memory', 'pids'), '/gone');
  assert.equal(usage.cpu.totalNs, 0);
  assert.equal(usage.pids?.current, 0);
});
