import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CgroupLayout, flags } from '@gantry/linux';
import type { MountSpec, RuntimeSpec } from '@gantry/oci';
import type { LaunchPlan } from '../launch.ts';
import type { Step } from '../plan/steps.ts';
import { compileContainer } from './container.ts';
import { compileExec } from './exec.ts';
import { dockerSpec } from './fixtures/docker-spec.ts';
import { printPlan, printStep } from './print.ts';

const V1: CgroupLayout = {
  version: 1,
  bfq: false,
  hierarchies: [
    { mountPoint: '/none/cpu,cpuacct', name: 'cpu,cpuacct', controllers: ['cpu', 'cpuacct'] },
    { mountPoint: '/none/memory', name: 'memory', controllers: ['memory'] },
    { mountPoint: '/none/systemd', name: 'systemd', controllers: ['name=systemd'] },
  ],
};
const V2: CgroupLayout = { version: 2, mountPoint: '/none', controllers: new Set(['memory', 'pids']), bfq: false };
const NO_NETWORK = { prepare: [], parent: [], child: [] };

function compile(
  change: (spec: RuntimeSpec) => void = () => {},
  options: { cgroup?: CgroupLayout; network?: Pick<LaunchPlan, 'prepare' | 'parent' | 'child'> } = {},
): LaunchPlan {
  const spec = dockerSpec('c1', ['true']);
  change(spec);
  return compileContainer(spec, {
    rootSlot: 0,
    nextSlot: 1,
    cgroup: options.cgroup ?? V1,
    network: options.network ?? NO_NETWORK,
  });
}

function ops(plan: LaunchPlan): string[] {
  return plan.child.map(step => step.op);
}

/** Asserts that steps of these ops occur in this order. */
function assertOrder(plan: LaunchPlan, ...wanted: Step['op'][]): void {
  let from = 0;
  for (const op of wanted) {
    const at = ops(plan).indexOf(op, from);
    assert.ok(at >= 0, `${op} after ${ops(plan).slice(0, from)}`);
    from = at + 1;
  }
}

const lines = (steps: readonly Step[]): string[] => steps.map(printStep);

function bind(more: Partial<MountSpec>): MountSpec {
  return { destination: '/data', type: 'bind', source: '/srv', options: ['rbind'], sourceKind: 'directory', ...more };
}

test('the story of a container has its order', () => {
  const plan = compile(spec => {
    spec.linux.seccomp = { defaultAction: 'SCMP_ACT_ALLOW', architectures: [], syscalls: [] };
    spec.process.rlimits = [{ type: 'RLIMIT_NOFILE', soft: 5n, hard: 6n }];
  });
  assertOrder(plan, 'writeFile', 'setsid', 'sessionKeyring', 'mount', 'moveMount', 'fsMount', 'mknod', 'pivotRoot');
  assertOrder(
    plan,
    'pivotRoot',
    'hostname',
    'rlimit',
    'seccomp',
    'chdir',
    'boundingSet',
    'user',
    'capabilities',
    'umask',
  );
  assert.equal(ops(plan).at(-1), 'exec');
  assert.equal(plan.cloneFlags >>> 0, 0x6c020000);
});

test('with no_new_privs the filter is the last thing before the program', () => {
  const plan = compile(spec => {
    spec.process.noNewPrivileges = true;
    spec.linux.seccomp = { defaultAction: 'SCMP_ACT_ALLOW', architectures: [], syscalls: [] };
  });
  assert.deepEqual(ops(plan).slice(-2), ['seccomp', 'exec']);
  assertOrder(plan, 'noNewPrivileges', 'user', 'capabilities', 'seccomp');
});

test('on version 1 the process enters each hierarchy by itself, before it costs anything', () => {
  const plan = compile();
  assert.deepEqual(lines(plan.child.slice(0, 3)), [
    'writeFile /none/cpu,cpuacct/gantry-test/c1/tasks data=0',
    'writeFile /none/memory/gantry-test/c1/tasks data=0',
    'writeFile /none/systemd/gantry-test/c1/tasks data=0',
  ]);
  assert.equal(plan.cgroupPath, undefined);
  const text = lines(plan.child);
  assert.ok(text.includes('symlink #0:/sys/fs/cgroup/cpuacct target=cpu,cpuacct ignore=[17]'));
  assert.ok(
    text.some(line => line.endsWith('/none/memory/gantry-test/c1 #10 recursive') || /memory\/gantry-test/.test(line)),
  );
});

test('on version 2 it is born in its cgroup, and its cgroup namespace begins there', () => {
  const plan = compile(spec => spec.linux.namespaces.push({ type: 'cgroup' }), { cgroup: V2 });
  assert.equal(plan.cgroupPath, '/none/gantry-test/c1');
  assert.equal(plan.cloneFlags & flags.CLONE_NEWCGROUP, 0);
  assert.ok(plan.prepare.some(step => step.op === 'deviceProgram'));
  assertOrder(plan, 'unshare', 'fsMount', 'pivotRoot');
  assert.ok(lines(plan.child).some(line => line.includes('type=cgroup2')));
});

test("with the host's cgroup namespace its tree is bound, not mounted: that would change the host's options", () => {
  const plan = compile(() => {}, { cgroup: V2 });
  assert.ok(!lines(plan.child).some(line => line.includes('type=cgroup2')));
  assert.ok(plan.child.some(step => step.op === 'openTree' && step.path === '/none'));
});

test('namespaces are made, joined or left alone', () => {
  const plan = compile(spec => {
    spec.linux.namespaces = [
      { type: 'mount' },
      { type: 'network', path: '/proc/7/ns/net' },
      { type: 'pid', path: '/proc/7/ns/pid' },
    ];
  });
  assert.equal(plan.cloneFlags, flags.CLONE_NEWNS);
  assert.ok(!ops(plan).includes('hostname'), "the host's name is not changed");
  assert.ok(lines(plan.child).some(line => /^setns #\d+ net$/.test(line)));
  assert.ok(lines(plan.child).some(line => /^setns #\d+ pid$/.test(line)));
  assertOrder(plan, 'setns', 'pivotRoot', 'beBorn', 'capabilities');
});

test('the child waits for its network while it still sees the host', () => {
  const network = {
    prepare: [],
    parent: [{ op: 'close', slot: 9 }] as const,
    child: [{ op: 'domainname', name: 'marker' }] as const,
  };
  const plan = compile(() => {}, { network });
  assertOrder(plan, 'fsMount', 'barrier', 'domainname', 'pivotRoot');
  assert.ok(!ops(compile()).includes('barrier'));
});

test('a bind is taken in the shim, attached inside the root, and changed there', () => {
  const plan = compile(spec => spec.mounts.push(bind({ options: ['rbind', 'ro', 'rslave'] })));
  const open = plan.prepare.at(-1);
  assert.ok(open?.op === 'openTree' && open.recursive && open.path === '/srv');
  const mine = plan.child.filter(step => 'slot' in step && step.slot === open.slot && step.op !== 'close');
  assert.deepEqual(
    lines(mine).map(line => line.replace(/#\d+/g, '#')),
    ['moveMount #:/data #', 'mountSetattr # set=ro', 'mountSetattr # slave recursive'],
  );
});

test('a bind that says nothing of propagation is private', () => {
  const plan = compile(spec =>
    spec.mounts.push(bind({ destination: '/file', sourceKind: 'file', options: ['bind', 'rro'] })),
  );
  const text = lines(plan.child).map(line => line.replace(/#\d+/g, '#'));
  assert.ok(text.includes('mountSetattr # set=ro private recursive'));
  assert.ok(text.includes('touch #:/file mode=0644'));
});

test('an opened source becomes its mount in the same slot, unless another mount needs it too', () => {
  const once = compile(spec => spec.mounts.push(bind({ sourceSlot: 1, source: '' }))).prepare.at(-1);
  assert.equal(once && printStep(once), 'openTree #1:/ #1 recursive');
  const twice = compile(spec => {
    spec.mounts.push(bind({ sourceSlot: 1, source: 'a' }), bind({ sourceSlot: 1, source: 'b', destination: '/b' }));
  }).prepare.slice(-2);
  assert.deepEqual(
    twice.map(step => step.op === 'openTree' && [step.at, step.path, step.slot === 1]),
    [
      [1, 'a', false],
      [1, 'b', false],
    ],
  );
});

test('what was taken before the child runs is not overwritten by a step of the child', () => {
  const plan = compile(spec => spec.mounts.unshift(bind({}), bind({ destination: '/more' })));
  const taken = new Set(plan.prepare.flatMap(step => (step.op === 'openTree' ? [step.slot] : [])));
  assert.equal(taken.size, 2);
  for (const step of plan.child) {
    if (step.op === 'fsMount' || step.op === 'openTree' || step.op === 'open')
      assert.ok(!taken.has(step.slot), step.op);
  }
});

test('nothing but a proc file system comes to /proc, and only known files inside it are covered', () => {
  const refuse = (mount: MountSpec, message: RegExp) =>
    assert.throws(() => compile(spec => spec.mounts.push(mount)), message);
  refuse(bind({ destination: '/proc' }), /"\/proc" cannot be mounted because it is not of type proc/);
  refuse(bind({ destination: '/proc/../proc/' }), /"\/proc" cannot be mounted/);
  refuse(
    bind({ destination: '/proc/self/attr' }),
    /"\/proc\/self\/attr" cannot be mounted because it is inside \/proc/,
  );
  refuse({ destination: '/proc/x', type: 'tmpfs', source: 'tmpfs', options: [] }, /inside \/proc/);
  compile(spec => spec.mounts.push(bind({ destination: '/proc/meminfo', sourceKind: 'file' })));
});

test('a read-only tmpfs is filled by the mounts inside it first', () => {
  const plan = compile(spec => {
    spec.mounts.push({ destination: '/run', type: 'tmpfs', source: 'tmpfs', options: ['ro', 'size=1m'] });
    spec.mounts.push(bind({ destination: '/run/inner' }));
  });
  const text = lines(plan.child).map(line => line.replace(/#\d+/g, '#'));
  const made = text.indexOf('fsMount # type=tmpfs source=tmpfs,size=1m');
  const inner = text.indexOf('moveMount #:/run/inner #');
  const shut = text.lastIndexOf('mountSetattr # set=ro');
  assert.ok(made >= 0 && made < inner && inner < shut);
});

test('settings and labels are written through a private proc, before anything there is covered', () => {
  const plan = compile(spec => {
    spec.linux.sysctl = { 'net.ipv4.ip_forward': '1', 'net/ipv4/conf/eth0.1/forwarding': '1' };
    spec.process.apparmorProfile = 'docker-default';
  });
  const text = lines(plan.child).map(line => line.replace(/#\d+/g, '#'));
  const last = text.findIndex(line =>
    /^writeFile #:\/thread-self\/attr\/(apparmor\/)?exec data="exec docker-default" fsMagic=/.test(line),
  );
  const first = text.indexOf(`writeFile #:/sys/net/ipv4/ip_forward data=1 fsMagic=${flags.PROC_SUPER_MAGIC}`);
  const second = text.indexOf(
    `writeFile #:/sys/net/ipv4/conf/eth0.1/forwarding data=1 fsMagic=${flags.PROC_SUPER_MAGIC}`,
  );
  const covered = text.indexOf('moveMount #:/proc/sys #');
  assert.ok(first > 0 && first < second && second < last && last < covered);
});

test("masks of files are mounts of the container's own new /dev/null, taken before anything could replace it", () => {
  const plan = compile(spec => {
    spec.linux.maskedPaths = ['/proc/keys', '/proc/no-such-file'];
    spec.mounts.push(bind({ destination: '/dev/null', sourceKind: 'file' }));
  });
  const taken = plan.child.findIndex(step => step.op === 'openTree' && step.path === 'null');
  const replaced = plan.child.findIndex(step => step.op === 'moveMount' && step.path === '/dev/null');
  const masked = plan.child.findIndex(step => step.op === 'moveMount' && step.path === '/proc/keys');
  assert.ok(taken > 0 && taken < replaced && replaced < masked);
  assert.ok(!lines(plan.child).some(line => line.includes('no-such-file')));
});

test('a terminal belongs to its user, and is shown as /dev/console', () => {
  const plan = compile(spec => {
    spec.process.terminal = true;
    spec.process.consoleSize = { height: 24, width: 80 };
    spec.process.user.uid = 7;
  });
  const text = lines(plan.child).map(line => line.replace(/#\d+/g, '#'));
  assert.ok(
    text.includes('console at=# ptmx=ptmx rows=24 columns=80 uid=7') || text.some(line => line.startsWith('console')),
  );
  assert.ok(text.includes('moveMount #:/console #'));
});

test('--init runs the program below the init of slot 127', () => {
  const step = compile(spec => {
    spec.process.init = true;
  }).child.at(-1);
  assert.ok(step?.op === 'exec');
  assert.deepEqual([step.argv, step.slot], [['/sbin/docker-init', '--', 'true'], 127]);
});

test('an unknown limit is refused', () => {
  assert.throws(
    () =>
      compile(spec => {
        spec.process.rlimits = [{ type: 'RLIMIT_X', soft: 1n, hard: 1n }];
      }),
    /invalid rlimit type: RLIMIT_X/,
  );
});

test('an exec enters the cgroup while it sees the host, and drops what the container dropped', () => {
  const process = dockerSpec('c1', ['id']).process;
  const options = { cgroupsPath: '/gantry-test/c1', seccomp: undefined, nextSlot: 0 };
  const first = compileExec(process, { ...options, cgroup: V1 });
  assert.equal(
    printStep(first.prepare[0] ?? { op: 'setsid' }),
    'writeFile /none/cpu,cpuacct/gantry-test/c1/tasks data=0',
  );
  assert.deepEqual(
    first.child.map(step => step.op),
    ['setsid', 'chdir', 'boundingSet', 'user', 'capabilities', 'umask', 'exec'],
  );
  const second = compileExec(process, { ...options, cgroup: V2 });
  assert.equal(second.cgroupPath, '/none/gantry-test/c1');
});

test('a plan can be read', () => {
  const text = printPlan(compile());
  assert.match(text, /^shim, before:\n {2}mkdirAll \/none\/cpu,cpuacct\/gantry-test\/c1 mode=0755\n/);
  assert.match(text, /clone mount uts ipc pid net\n/);
  assert.match(text, / {2}fsMount #\d+ type=proc source=proc attributes=nosuid,nodev,noexec\n/);
});
