import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { RuntimeSpec } from '@gantry/oci';
import type { Launcher } from '../launch.ts';
import { startLauncher } from '../native/launcher.ts';
import { cannotRun, run, start, type TestContainer } from './fixtures/run.ts';

/** What a program finds in a pid namespace that it has to itself, or to others too. */
const LOOK = `grep -E '^(CapEff|Seccomp|NoNewPrivs):' /proc/self/status
busybox stat -c '%n %F' /proc/kcore /proc/keys /proc/acpi
echo x > /proc/sys/kernel/domainname; echo x > /proc/sysrq-trigger; echo x > /file
busybox ls /proc/self/fd | busybox wc -l; busybox hostname; pwd`;

describe('a container in the pid namespace of another', { skip: cannotRun }, () => {
  let launcher: Launcher;
  let first: TestContainer;
  before(async () => {
    launcher = await startLauncher();
    first = await start(launcher, 'while :; do busybox sleep 1; done');
  });
  after(async () => {
    await first?.[Symbol.asyncDispose]();
    await launcher?.[Symbol.asyncDispose]();
  });

  /** Like the first one's owner asked for: its /proc and nothing else of it. */
  function join(spec: RuntimeSpec): void {
    const path = `/proc/${first.shim.pid}/ns/pid`;
    spec.linux.namespaces = spec.linux.namespaces.map(namespace =>
      namespace.type === 'pid' ? { ...namespace, path } : namespace,
    );
  }

  test('is confined like any other', async () => {
    const change = (spec: RuntimeSpec): void => {
      spec.root.readonly = true;
      spec.process.cwd = '/tmp';
      spec.hostname = 'named';
    };
    const alone = await run(launcher, LOOK, change);
    const joined = await run(launcher, LOOK, spec => {
      change(spec);
      join(spec);
    });
    assert.equal(alone.status.code, 0, alone.stderr);
    assert.deepEqual({ stdout: joined.stdout, stderr: joined.stderr }, { stdout: alone.stdout, stderr: alone.stderr });
  });

  test('has its own terminal as the controlling one', async () => {
    const { stdout } = await run(
      launcher,
      'busybox tty; busybox stat -c "%t:%T" /dev/console; busybox sh -c "echo to the terminal > /dev/tty"',
      spec => {
        join(spec);
        spec.process.terminal = true;
      },
    );
    assert.equal(stdout.replaceAll('\r', ''), '/dev/pts/0\n88:0\nto the terminal\n');
  });

  test("has an init of its own, and its end is the init's", async () => {
    const { status, stdout } = await run(launcher, 'busybox cat /proc/$PPID/comm; exit 7', spec => {
      join(spec);
      spec.process.init = true;
    });
    assert.deepEqual([status.code, stdout], [7, 'docker-init\n']);
  });

  test('tells why its program cannot be executed', async () => {
    await assert.rejects(
      run(launcher, '', spec => {
        join(spec);
        spec.process.args = ['/nonesuch'];
      }),
      /error during container init: exec: "\/nonesuch": stat \/nonesuch: no such file or directory/,
    );
  });
});
