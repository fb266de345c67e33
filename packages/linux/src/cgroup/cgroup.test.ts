import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { parseMountInfo } from '../mountinfo.ts';
import { planCgroup } from './create.ts';
import { reduceRules } from './device-rules.ts';
import { type CgroupLayout, detectCgroupLayout, joinableDirectory } from './layout.ts';
import type { CgroupResources } from './resources.ts';

let top: string;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'gantry-cgroup-'));
});
afterEach(() => rmSync(top, { recursive: true }));

/** Makes a folder look like a part of the kernel's tree. */
function files(tree: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(tree)) {
    mkdirSync(join(top, path, '..'), { recursive: true });
    writeFileSync(join(top, path), text);
  }
}

const all: CgroupResources = {
  memory: { limit: 64 << 20, swap: 96 << 20, reservation: 32 << 20, swappiness: 10 },
  cpu: { shares: 1024, quota: 50_000, period: 100_000, cpus: '0', mems: '0' },
  pids: { limit: 20 },
  blockIO: {
    weight: 500,
    weightDevice: [{ major: 8, minor: 0, weight: 10 }],
    throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1024 }],
  },
};

function layoutV1(): Extract<CgroupLayout, { version: 1 }> {
  const hierarchy = (name: string, controllers: string[]) => ({ mountPoint: join(top, name), name, controllers });
  return {
    version: 1,
    bfq: false,
    hierarchies: [
      hierarchy('cpu,cpuacct', ['cpu', 'cpuacct']),
      hierarchy('cpuset', ['cpuset']),
      hierarchy('memory', ['memory']),
      hierarchy('pids', ['pids']),
      hierarchy('blkio', ['blkio']),
      hierarchy('devices', ['devices']),
      hierarchy('systemd', ['name=systemd']),
    ],
  };
}

/** The writes by their path below the folder. */
function written(layout: CgroupLayout, resources: CgroupResources): string[] {
  return planCgroup(layout, '/gantry/c1', resources).writes.map(
    ({ path, data }) => `${path.slice(top.length + 1)} = ${data}`,
  );
}

test('a hybrid machine is version 1, and its version 2 tree is not among the hierarchies', () => {
  const layout = detectCgroupLayout(
    parseMountInfo(
      [
        '31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755',
        '32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct',
        '33 31 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/lib/x,name=systemd',
        '34 31 0:29 / /elsewhere rw - cgroup cgroup rw,cpu,cpuacct',
        '41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw',
      ].join('\n'),
    ),
  );
  assert.equal(layout.version, 1);
  assert.deepEqual(layout.version === 1 && layout.hierarchies, [
    { mountPoint: '/sys/fs/cgroup/cpu,cpuacct', name: 'cpu,cpuacct', controllers: ['cpu', 'cpuacct'] },
    { mountPoint: '/sys/fs/cgroup/systemd', name: 'systemd', controllers: ['name=systemd'] },
  ]);
});

test('a machine with one tree is version 2', () => {
  files({ 'cgroup.controllers': 'cpuset cpu io memory pids\n' });
  const layout = detectCgroupLayout(parseMountInfo(`30 23 0:26 / ${top} rw - cgroup2 cgroup2 rw,nsdelegate`));
  assert.equal(layout.version, 2);
  assert.ok(layout.version === 2 && layout.controllers.has('memory'));
});

test('a machine without cgroups is told so', () => {
  assert.throws(() => detectCgroupLayout([]), /no cgroup file system is mounted/);
});

describe('version 1', () => {
  test('limits are written in an order that the kernel takes', () => {
    assert.deepEqual(written(layoutV1(), all), [
      'cpu,cpuacct/gantry/c1/cpu.shares = 1024',
      'cpu,cpuacct/gantry/c1/cpu.cfs_period_us = 100000',
      'cpu,cpuacct/gantry/c1/cpu.cfs_quota_us = 50000',
      'cpuset/gantry/c1/cpuset.cpus = 0',
      'cpuset/gantry/c1/cpuset.mems = 0',
      `memory/gantry/c1/memory.limit_in_bytes = ${64 << 20}`,
      `memory/gantry/c1/memory.memsw.limit_in_bytes = ${96 << 20}`,
      `memory/gantry/c1/memory.soft_limit_in_bytes = ${32 << 20}`,
      'memory/gantry/c1/memory.swappiness = 10',
      'pids/gantry/c1/pids.max = 20',
      'blkio/gantry/c1/blkio.weight = 500',
      'blkio/gantry/c1/blkio.weight_device = 8:0 10',
      'blkio/gantry/c1/blkio.throttle.read_bps_device = 8:0 1024',
    ]);
  });

  test('a process enters by the tasks file of every hierarchy', () => {
    const { directories, tasks } = planCgroup(layoutV1(), '/gantry/c1', {});
    assert.equal(directories.length, 7);
    assert.equal(tasks[0], join(top, 'cpu,cpuacct/gantry/c1/tasks'));
  });

  test('an empty cpuset on the way takes what its parent has, a filled one keeps its own', () => {
    files({
      'cpuset/cpuset.cpus': '0-3\n',
      'cpuset/cpuset.mems': '0\n',
      'cpuset/gantry/cpuset.cpus': '2-3\n',
      'cpuset/gantry/cpuset.mems': '\n',
    });
    assert.deepEqual(written(layoutV1(), { cpu: { cpus: '3' } }), [
      'cpuset/gantry/c1/cpuset.cpus = 2-3',
      'cpuset/gantry/cpuset.mems = 0',
      'cpuset/gantry/c1/cpuset.mems = 0',
      'cpuset/gantry/c1/cpuset.cpus = 3',
    ]);
  });

  test('no limit of processes is max, and one of memory is -1 for swap too', () => {
    assert.deepEqual(written(layoutV1(), { pids: { limit: -1 }, memory: { limit: -1 } }), [
      'memory/gantry/c1/memory.limit_in_bytes = -1',
      'memory/gantry/c1/memory.memsw.limit_in_bytes = -1',
      'pids/gantry/c1/pids.max = max',
    ]);
  });

  test('device rules are written once each, after the default', () => {
    const devices = [
      { allow: false },
      { allow: true, type: 'c', major: 1, minor: 3, access: 'r' },
      { allow: true, type: 'c', major: 1, minor: 3, access: 'wm' },
      { allow: true, type: 'b' },
      { allow: false, type: 'b', access: 'rw' },
    ] as const;
    assert.deepEqual(written(layoutV1(), { devices }), [
      'devices/gantry/c1/devices.deny = a',
      'devices/gantry/c1/devices.allow = c 1:3 rwm',
      'devices/gantry/c1/devices.allow = b *:* m',
    ]);
    assert.deepEqual(written(layoutV1(), { devices: [{ allow: true }] }), ['devices/gantry/c1/devices.allow = a']);
  });
});

describe('version 2', () => {
  const layoutV2 = (): CgroupLayout => ({
    version: 2,
    mountPoint: top,
    controllers: new Set(['cpuset', 'cpu', 'io', 'memory', 'pids', 'rdma']),
    bfq: false,
  });

  test('controllers are switched on in the parents that have not got them', () => {
    files({ 'cgroup.subtree_control': 'cpuset cpu io memory pids\n', 'gantry/cgroup.subtree_control': 'memory\n' });
    assert.deepEqual(written(layoutV2(), {}), ['gantry/cgroup.subtree_control = +cpuset +cpu +io +pids']);
  });

  test("limits are written in version 2's terms", () => {
    files({
      'cgroup.subtree_control': 'cpuset cpu io memory pids',
      'gantry/cgroup.subtree_control': 'cpuset cpu io memory pids',
    });
    assert.deepEqual(written(layoutV2(), all), [
      'gantry/c1/cpuset.cpus = 0',
      'gantry/c1/cpuset.mems = 0',
      'gantry/c1/cpu.weight = 39',
      'gantry/c1/cpu.max = 50000 100000',
      `gantry/c1/memory.swap.max = ${32 << 20}`,
      `gantry/c1/memory.max = ${64 << 20}`,
      `gantry/c1/memory.low = ${32 << 20}`,
      'gantry/c1/pids.max = 20',
      'gantry/c1/io.weight = default 4950',
      'gantry/c1/io.weight = 8:0 1',
      'gantry/c1/io.max = 8:0 rbps=1024',
    ]);
  });

  test('swap counts memory too, as Docker says it', () => {
    const swap = (limit: number, both: number) =>
      written(layoutV2(), { memory: { limit, swap: both } }).filter(line => line.includes('memory.swap.max'));
    assert.deepEqual(swap(100, 100), ['gantry/c1/memory.swap.max = 0']);
    assert.deepEqual(swap(100, -1), ['gantry/c1/memory.swap.max = max']);
    assert.deepEqual(swap(100, 0), []);
    assert.throws(() => swap(0, 100), /unable to set swap limit without memory limit/);
    assert.throws(() => swap(200, 100), /memory\+swap limit should be >= memory limit/);
  });
});

test('a process joins beside the first one when that has made cgroups of its own', () => {
  const own = /^0::(\/.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/';
  const layout: CgroupLayout = { version: 2, mountPoint: top, controllers: new Set(), bfq: false };
  files({ 'c1/cgroup.subtree_control': '\n', 'c2/cgroup.subtree_control': 'memory\n' });
  assert.equal(joinableDirectory(layout, '/c1', process.pid), join(top, 'c1'));
  assert.equal(joinableDirectory(layout, '/c2', undefined), join(top, 'c2'));
  // Its first process is somewhere else altogether: then the cgroup itself is as good as any.
  assert.equal(joinableDirectory(layout, '/c2', process.pid), join(top, own.startsWith('/c2/') ? own : 'c2'));
});

test('rules of devices are played through in their order', () => {
  assert.deepEqual(reduceRules([]), { allowAll: false, exceptions: [] });
  assert.deepEqual(
    reduceRules([
      { allow: true, type: 'c', major: 1 },
      { allow: true },
      { allow: false, type: 'c', major: 10, minor: 229 },
    ]),
    { allowAll: true, exceptions: [{ type: 'c', major: 10, minor: 229, access: 'rwm' }] },
  );
});

test('the machine under test has a layout', {
  skip: !readFileSync('/proc/filesystems', 'utf8').includes('cgroup'),
}, () => {
  assert.ok([1, 2].includes(detectCgroupLayout().version));
});
