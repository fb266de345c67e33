import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync as chmod, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setImmediate as immediate } from 'node:timers/promises';
import {
  availableCapabilities,
  capabilityMask,
  capabilityNames,
  cgroup,
  hasAppArmor,
  parseMountInfo,
  readLimit,
  statInRoot,
} from '@gantry/linux';
import type { RuntimeSpec } from '@gantry/oci';
import type { Launcher } from '../launch.ts';
import { startLauncher } from '../native/launcher.ts';
import { cannotRun, layout, run, start } from './fixtures/run.ts';

/** Docker's 14 capabilities. */
const DOCKER_MASK = 0xa80425fbn;

describe('a container made by its plan', { skip: cannotRun }, () => {
  let launcher: Launcher;
  before(async () => {
    launcher = await startLauncher();
  });
  after(() => launcher[Symbol.asyncDispose]());

  /** What a script prints in a container. */
  async function output(script: string, change?: (spec: RuntimeSpec, directory: string) => void): Promise<string> {
    const { status, stdout, stderr } = await run(launcher, script, change);
    assert.equal(status.code, 0, stderr);
    return stdout;
  }

  test("has Docker's privileges", async () => {
    const status = await output('cat /proc/self/status', noop);
    const field = (name: string) => new RegExp(`^${name}:\\s*(.*?)\\s*$`, 'm').exec(status)?.[1];
    const mask = (DOCKER_MASK & availableCapabilities()).toString(16).padStart(16, '0');
    assert.deepEqual(['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp', 'Groups'].map(field), [
      '0'.repeat(16),
      mask,
      mask,
      mask,
      '0'.repeat(16),
      '0',
      '2',
      '0',
    ]);
  });

  test('a user has no capabilities of its own, its bounding set stays, and its streams are its own', async () => {
    const status = await output('cat /proc/self/status; echo seen > /dev/stdout', spec => {
      spec.process.user = { uid: 1000, gid: 1001, additionalGids: [5, 6], umask: 0o077 };
      spec.process.noNewPrivileges = true;
    });
    assert.match(status, /^Uid:\t1000\t1000\t1000\t1000$/m);
    assert.match(status, /^Gid:\t1001\t1001\t1001\t1001$/m);
    assert.match(status, /^Groups:\t5 6 ?$/m);
    assert.match(status, /^Umask:\t0077$/m);
    assert.match(status, /^CapEff:\t0{16}$/m);
    assert.match(status, /^CapPrm:\t0{16}$/m);
    assert.match(status, /^NoNewPrivs:\t1$/m);
    assert.match(status, /^seen$/m);
    assert.equal(
      /^CapBnd:\t(.*)$/m.exec(status)?.[1],
      (DOCKER_MASK & availableCapabilities()).toString(16).padStart(16, '0'),
    );
  });

  test('ambient capabilities reach a user', async () => {
    const status = await output('cat /proc/self/status', spec => {
      const names = ['CAP_NET_RAW'];
      spec.process.user = { uid: 1000, gid: 1000 };
      spec.process.capabilities = {
        bounding: names,
        permitted: names,
        effective: names,
        inheritable: names,
        ambient: names,
      };
    });
    const mask = capabilityMask(['CAP_NET_RAW']).toString(16).padStart(16, '0');
    assert.match(status, new RegExp(`^CapEff:\\t${mask}$`, 'm'));
    assert.match(status, new RegExp(`^CapAmb:\\t${mask}$`, 'm'));
  });

  test("shows Docker's mounts, and nothing of the host's tree", async () => {
    const mounts = parseMountInfo(await output('cat /proc/self/mountinfo', noop));
    const shown = new Map(mounts.map(mount => [mount.mountPoint, `${mount.type} ${mount.options.join()}`]));
    assert.equal(shown.get('/proc'), 'proc rw,nosuid,nodev,noexec,relatime');
    assert.equal(shown.get('/dev'), 'tmpfs rw,nosuid');
    assert.equal(shown.get('/dev/pts'), 'devpts rw,nosuid,noexec,relatime');
    assert.equal(shown.get('/sys'), 'sysfs ro,nosuid,nodev,noexec,relatime');
    assert.equal(shown.get('/dev/shm'), 'tmpfs rw,nosuid,nodev,noexec,relatime');
    assert.equal(shown.get('/dev/mqueue'), 'mqueue rw,nosuid,nodev,noexec,relatime');
    assert.equal(shown.get('/proc/sys'), 'proc ro,nosuid,nodev,noexec,relatime');
    assert.equal(shown.get('/proc/keys'), 'tmpfs rw,nosuid');
    assert.equal(shown.get('/sys/firmware'), 'tmpfs ro,relatime');
    assert.equal(
      layout.version === 2 ? shown.get('/sys/fs/cgroup') : shown.get('/sys/fs/cgroup/memory'),
      `cgroup${layout.version === 2 ? '2' : ''} ro,nosuid,nodev,noexec,relatime`,
    );
    assert.ok(mounts.every(({ propagation }) => propagation.length === 0));
    for (const point of shown.keys()) assert.match(point, /^\/($|proc|dev|sys)/);
  });

  test('what is masked is empty, what is read-only cannot be written', async () => {
    const text = await output(
      `busybox wc -c < /proc/keys; busybox ls /proc/acpi /sys/firmware 2>&1
       echo 1 > /proc/sys/kernel/domainname || echo refused; echo b > /proc/sysrq-trigger || echo refused`,
      noop,
    );
    assert.match(text, /^0\n/);
    assert.equal(text.match(/refused/g)?.length, 2);
  });

  test('paths that a caller masks are masked in the image and in what is mounted over it', async () => {
    const text = await output(
      'cat /etc/secret /data/file; busybox ls -A /data/inner /scratch | busybox grep -v :; (: > /data/kept/x) 2>&1 || echo refused',
      (spec, directory) => {
        for (const path of ['data/inner/x', 'data/kept']) mkdirSync(join(directory, path), { recursive: true });
        writeFileSync(join(directory, 'data/file'), 'seen');
        writeFileSync(join(directory, 'lower/etc/secret'), 'seen');
        spec.mounts.push(
          { destination: '/data', type: 'bind', source: join(directory, 'data'), options: ['rbind', 'rprivate'] },
          { destination: '/scratch', type: 'tmpfs', source: 'tmpfs', options: [] },
        );
        spec.linux.maskedPaths = ['/etc/secret', '/data/file', '/data/inner', '/scratch'];
        spec.linux.readonlyPaths = ['/data/kept'];
      },
    );
    assert.doesNotMatch(text, /seen|x$/m);
    assert.match(text, /refused\n$/);
  });

  test('has the standard devices and no other', async () => {
    const text = await output(
      'cd /dev; busybox stat -c "%n %a %t:%T %u" null zero full random urandom tty; busybox ls',
      noop,
    );
    assert.equal(
      text,
      'null 666 1:3 0\nzero 666 1:5 0\nfull 666 1:7 0\nrandom 666 1:8 0\nurandom 666 1:9 0\ntty 666 5:0 0\n' +
        `${[
          'core',
          'fd',
          'full',
          'mqueue',
          'null',
          'ptmx',
          'pts',
          'random',
          'shm',
          'stderr',
          'stdin',
          'stdout',
          'tty',
          'urandom',
          'zero',
        ]
          .filter(name => name !== 'core' || existsSync('/proc/kcore'))
          .join('\n')}\n`,
    );
  });

  test('reaches only the devices that its rules name', async () => {
    const text = await output(
      `busybox mknod /tmp/kmsg c 1 11 && (busybox head -c 1 /tmp/kmsg >/dev/null || echo kmsg refused)
       busybox mknod /tmp/zero c 1 5 && busybox head -c 3 /tmp/zero | busybox wc -c; busybox ls -l /dev/net/tun`,
      spec => {
        spec.linux.devices = [
          { path: '/dev/net/tun', type: 'c', major: 10, minor: 200, fileMode: 0o620, uid: 3, gid: 4 },
        ];
      },
    );
    assert.match(text, /kmsg refused\n3\ncrw--w----\s+1 3\s+4\s+10,\s+200/);
  });

  test('is counted and limited in its cgroup', async () => {
    const files =
      layout.version === 2
        ? ['memory.max', 'pids.max', 'cpu.max']
        : ['memory/memory.limit_in_bytes', 'pids/pids.max', 'cpu/cpu.cfs_quota_us'];
    const text = await output(`cd /sys/fs/cgroup; cat ${files.join(' ')}; cat /proc/self/cgroup`, spec => {
      spec.linux.resources = {
        ...spec.linux.resources,
        memory: { limit: 64 << 20, swap: 64 << 20 },
        pids: { limit: 32 },
        cpu: { quota: 50_000, period: 100_000 },
      };
    });
    const cpu = layout.version === 2 ? '50000 100000' : '50000';
    assert.ok(text.startsWith(`${64 << 20}\n32\n${cpu}\n`), text);
    const lines = text.trim().split('\n').slice(3);
    if (layout.version === 2) assert.deepEqual(lines, ['0::/']);
    else for (const line of lines) assert.match(line, /:\/gantry-test\/[0-9a-f]{64}$|^0::/);
  });

  test('a process that uses too much memory is counted as killed for it', async () => {
    await using container = await start(launcher, 'busybox tail /dev/zero', spec => {
      spec.linux.resources = { ...spec.linux.resources, memory: { limit: 16 << 20, swap: 16 << 20 } };
    });
    assert.equal((await container.shim.exited).code, 137);
    assert.equal(await cgroup.readOomKills(layout, container.spec.linux.cgroupsPath), 1);
  });

  test('can be frozen and thawed, and its processes are known', async () => {
    await using container = await start(launcher, 'busybox sleep 100', noop);
    const path = container.spec.linux.cgroupsPath;
    await cgroup.freeze(layout, path);
    assert.equal(await cgroup.isFrozen(layout, path), true);
    assert.deepEqual(await cgroup.readPids(layout, path), [container.shim.pid]);
    await cgroup.thaw(layout, path);
    assert.equal(await cgroup.isFrozen(layout, path), false);
    await cgroup.killAll(layout, path);
    assert.equal((await container.shim.exited).signal, 9);
  });

  test('settings of its own namespaces are written, its name is its own', async () => {
    const text = await output('cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni; busybox hostname', spec => {
      spec.linux.sysctl = { 'net.ipv4.ip_forward': '1', 'kernel.shmmni': '77' };
      spec.hostname = 'here';
    });
    assert.equal(text, '1\n77\nhere\n');
  });

  test('a setting that does not exist fails the start with its step', async () => {
    await assert.rejects(
      run(launcher, 'true', spec => {
        spec.linux.sysctl = { 'net.none.none': '1' };
      }),
      /no such file or directory/,
    );
  });

  test('limits are set; those that are only defaults are clamped to what the kernel grants', async () => {
    const { hard } = readLimit(7);
    const change = (clamp: boolean) => (spec: RuntimeSpec) => {
      spec.process.rlimits = [
        { type: 'RLIMIT_CORE', soft: 0n, hard: 0n },
        { type: 'RLIMIT_NOFILE', soft: hard * 1000n, hard: hard * 1000n, clamp },
      ];
    };
    const text = await output('ulimit -c; ulimit -Hn', change(true));
    assert.match(text, /^0\n/);
    assert.ok(BigInt(text.trim().split('\n')[1] ?? 0) >= hard);
  });

  test('a read-only root stays writable where tmpfs and binds are', async () => {
    const text = await output(
      '(echo x > /x) 2>/dev/null || echo root refused; echo x > /run/x && echo tmpfs written; echo x > /data/x && echo bind written',
      (spec, directory) => {
        mkdirSync(join(directory, 'data'));
        spec.root.readonly = true;
        spec.mounts.push(
          { destination: '/run', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'size=1m'] },
          { destination: '/data', type: 'bind', source: join(directory, 'data'), options: ['rbind', 'rprivate'] },
        );
      },
    );
    assert.equal(text, 'root refused\ntmpfs written\nbind written\n');
  });

  test('binds of files and directories, read-only or not, arrive with their options', async () => {
    const text = await output(
      'cat /etc/hosts; (echo x > /ro/x) 2>/dev/null || echo refused; cat /proc/self/mountinfo',
      (spec, directory) => {
        mkdirSync(join(directory, 'source'));
        writeFileSync(join(directory, 'hosts'), 'from outside\n');
        spec.mounts.push(
          { destination: '/etc/hosts', type: 'bind', source: join(directory, 'hosts'), options: ['rbind', 'rprivate'] },
          {
            destination: '/ro',
            type: 'bind',
            source: join(directory, 'source'),
            options: ['rbind', 'rro', 'nosuid', 'rslave'],
          },
        );
      },
    );
    assert.ok(text.startsWith('from outside\nrefused\n'), text);
    const mount = parseMountInfo(text.split('refused\n')[1] ?? '').find(({ mountPoint }) => mountPoint === '/ro');
    assert.deepEqual(mount?.options, ['ro', 'nosuid', 'relatime']);
  });

  test('a hundred mounts fit', async () => {
    const text = await output('cd /m && echo * | busybox wc -w && cat 99/x', (spec, directory) => {
      for (let index = 0; index < 100; index++) {
        mkdirSync(join(directory, `m/${index}`), { recursive: true });
        writeFileSync(join(directory, `m/${index}/x`), String(index));
        const source = join(directory, `m/${index}`);
        spec.mounts.push({ destination: `/m/${index}`, type: 'bind', source, options: ['rbind', 'rprivate'] });
      }
    });
    assert.equal(text, '100\n99');
  });

  test('a file over a directory, and a directory over a file, is told as mount(2) tells it', async () => {
    const over = (destination: string, file: boolean) => (spec: RuntimeSpec, directory: string) => {
      writeFileSync(join(directory, 'lower/etc/file'), '');
      const source = file ? join(directory, 'lower/etc/file') : directory;
      spec.mounts.push({ destination, type: 'bind', source, options: ['rbind'] });
    };
    await assert.rejects(run(launcher, 'true', over('/etc', true)), /not a directory/);
    await assert.rejects(run(launcher, 'true', over('/etc/file', false)), /not a directory/);
  });

  test('a tmpfs looks like the directory that it covers', async () => {
    const text = await output('busybox stat -c %a /tmp /new', (spec, directory) => {
      chmod(join(directory, 'lower/tmp'), 0o1775);
      for (const destination of ['/tmp', '/new']) {
        spec.mounts.push({ destination, type: 'tmpfs', source: 'tmpfs', options: ['nosuid'] });
      }
    });
    assert.equal(text, '1775\n1777\n');
  });

  test("a link in the image leads a mount's target nowhere out of the root", async () => {
    const text = await output('cat /inside/marker/x; busybox ls /', (spec, directory) => {
      symlinkSync('/../../../../inside', join(directory, 'lower/link'));
      mkdirSync(join(directory, 'lower/inside'));
      mkdirSync(join(directory, 'data'));
      writeFileSync(join(directory, 'data/x'), 'here\n');
      const options = ['rbind', 'rprivate'];
      spec.mounts.push({ destination: '/link/marker', type: 'bind', source: join(directory, 'data'), options });
    });
    assert.match(text, /^here\n/);
  });

  test('CVE-2019-19921: an image whose /proc is a link does not start', async () => {
    await assert.rejects(
      run(launcher, 'true', (_, directory) => symlinkSync('/tmp', join(directory, 'lower/proc'))),
      /filesystem "proc" must be mounted on ordinary directory/,
    );
  });

  test('a terminal is the controlling one, and /dev/console is it', async () => {
    const text = await output(
      'busybox tty; busybox stat -c "%t:%T %u" /dev/console /dev/pts/0; busybox stty size',
      spec => {
        spec.process.terminal = true;
        spec.process.consoleSize = { height: 33, width: 99 };
        spec.process.user = { uid: 12, gid: 12 };
      },
    );
    assert.equal(text.replaceAll('\r', ''), '/dev/pts/0\n88:0 12\n88:0 12\n33 99\n');
  });

  test('an exec is in the same cgroups, under the same filter, with the rights it is given', async () => {
    await using container = await start(launcher, 'while ! [ -e /done ]; do busybox sleep 0.02; done; cat /out', noop);
    const status = await container.exec(
      process => {
        process.user = { uid: 0, gid: 0 };
      },
      [
        '/bin/sh',
        '-c',
        'exec > /out; cat /proc/self/cgroup; grep -E "Seccomp:|CapEff" /proc/self/status; cat /proc/1/comm; : > /done',
      ],
    );
    assert.equal(status.code, 0);
    await container.shim.exited;
    const { stdout } = container.output();
    const mask = (DOCKER_MASK & availableCapabilities()).toString(16).padStart(16, '0');
    assert.match(stdout, new RegExp(`CapEff:\\t${mask}\nSeccomp:\\t2\nsh\n$`));
    if (layout.version === 2) assert.match(stdout, /^0::\/\n/);
    else assert.match(stdout, /:memory:\/gantry-test\/[0-9a-f]{64}\n/);
  });

  test('an exec is born beside a first process that has made cgroups', {
    skip: layout.version === 1 && 'needs cgroup version 2',
  }, async () => {
    await using container = await start(
      launcher,
      `cd /sys/fs/cgroup && busybox mkdir inner && echo 1 > inner/cgroup.procs && echo +pids > cgroup.subtree_control
       cd /; : > /ready; while ! [ -e /out ]; do busybox sleep 0.02; done; cat /out`,
      spec => {
        const mount = spec.mounts.find(({ type }) => type === 'cgroup');
        if (mount) mount.options = ['nosuid'];
      },
    );
    while (!statInRoot(container.rootFd, '/ready')) await immediate();
    assert.equal(
      (await container.exec(() => {}, ['/bin/sh', '-c', 'cat /proc/self/cgroup > /o; busybox mv /o /out'])).code,
      0,
    );
    await container.shim.exited;
    assert.equal(container.output().stdout, '0::/inner\n');
  });

  test('a container in the pid and network namespaces of another one sees its processes', async () => {
    await using first = await start(launcher, 'busybox sleep 100', noop);
    const text = await output(
      'cat /proc/1/cmdline | busybox tr "\\0" " "; busybox readlink /proc/self/ns/net',
      spec => {
        spec.linux.namespaces = spec.linux.namespaces.map(namespace =>
          namespace.type === 'pid' || namespace.type === 'network'
            ? { ...namespace, path: `/proc/${first.shim.pid}/ns/${namespace.type === 'pid' ? 'pid' : 'net'}` }
            : namespace,
        );
      },
    );
    assert.match(text, /^\/bin\/sh -c busybox sleep 100 net:\[\d+\]\n$|^busybox sleep 100 net:\[\d+\]\n$/);
  });

  test('a privileged container has every capability that there is to give', async () => {
    const every = capabilityNames(availableCapabilities());
    const status = await output('cat /proc/self/status; busybox unshare -m true && echo free', spec => {
      spec.process.capabilities = { bounding: every, permitted: every, effective: every, inheritable: [], ambient: [] };
      delete spec.linux.seccomp;
      spec.linux.maskedPaths = [];
      spec.linux.readonlyPaths = [];
    });
    assert.match(status, new RegExp(`^CapEff:\\t${availableCapabilities().toString(16).padStart(16, '0')}$`, 'm'));
    assert.match(status, /^Seccomp:\t0$/m);
    assert.match(status, /free\n$/);
  });

  test('AppArmor confines the program', { skip: !hasAppArmor() && 'the kernel has no AppArmor' }, async () => {
    const profile = 'profile gantry-test flags=(attach_disconnected) {\n  file,\n  deny /tmp/secret r,\n}\n';
    execFileSync('apparmor_parser', ['-Kr'], { input: profile });
    try {
      const text = await output(
        'cat /proc/self/attr/current; echo x > /tmp/secret; cat /tmp/secret 2>/dev/null || echo denied',
        spec => {
          spec.process.apparmorProfile = 'gantry-test';
        },
      );
      assert.equal(text, 'gantry-test (enforce)\ndenied\n');
    } finally {
      execFileSync('apparmor_parser', ['-R'], { input: profile });
    }
  });

  test('has the descriptors 0, 1 and 2 and no other', async () => {
    const look = 'n=3; while [ $n -lt 300 ]; do [ -L /proc/self/fd/$n ] && echo $n; n=$((n+1)); done; echo looked';
    assert.equal(await output(look, noop), 'looked\n');
  });
});

function noop(): void {}
