import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HELP, parseFlags } from '../flags/parse.ts';
import { containerConfig } from './config.ts';
import { containerFlags } from './flags.ts';

function configOf(...args: string[]) {
  const values = parseFlags([...args, 'busybox'], containerFlags, { interspersed: false });
  assert.ok(values !== HELP);
  return containerConfig(values, false, [0, 0]);
}

test('flags become the create request that the official client sends', () => {
  const cases: [string[], (body: ReturnType<typeof configOf>) => unknown, unknown][] = [
    [['-i'], body => [body.OpenStdin, body.AttachStdin, body.StdinOnce, body.AttachStdout], [true, true, true, true]],
    [['-a', 'stdout'], body => [body.AttachStdin, body.AttachStdout, body.AttachStderr], [false, true, false]],
    [['-v', '/a:/b:ro', '-v', '/c'], body => [body.HostConfig?.Binds, body.Volumes], [['/a:/b:ro'], { '/c': {} }]],
    [
      ['--cap-add', 'net_admin', '--cap-drop', 'all'],
      body => [body.HostConfig?.CapAdd, body.HostConfig?.CapDrop],
      [['CAP_NET_ADMIN'], ['ALL']],
    ],
    [
      ['--cpus', '1.5', '-m', '1g', '--memory-swap', '-1'],
      body => [body.HostConfig?.NanoCpus, body.HostConfig?.Memory, body.HostConfig?.MemorySwap],
      [1_500_000_000, 2 ** 30, -1],
    ],
    [
      ['--restart', 'on-failure:3'],
      body => body.HostConfig?.RestartPolicy,
      { Name: 'on-failure', MaximumRetryCount: 3 },
    ],
    [
      ['--network', 'host'],
      body => [body.HostConfig?.NetworkMode, body.NetworkingConfig?.EndpointsConfig],
      ['host', {}],
    ],
    [
      ['--health-cmd', 'x', '--health-interval', '5s'],
      body => body.Healthcheck,
      { Test: ['CMD-SHELL', 'x'], Interval: 5e9 },
    ],
    [['--entrypoint', ''], body => body.Entrypoint, ['']],
    [['--tmpfs', '/t:size=1m'], body => body.HostConfig?.Tmpfs, { '/t': 'size=1m' }],
    [
      ['--mount', 'type=bind,src=/x,dst=/y,ro'],
      body => body.HostConfig?.Mounts,
      [{ Type: 'bind', Source: '/x', Target: '/y', ReadOnly: true }],
    ],
    [['--ulimit', 'nofile=5:6'], body => body.HostConfig?.Ulimits, [{ Name: 'nofile', Soft: 5, Hard: 6 }]],
    [
      ['--device', '/dev/zero:/dev/foo:rw'],
      body => body.HostConfig?.Devices,
      [{ PathOnHost: '/dev/zero', PathInContainer: '/dev/foo', CgroupPermissions: 'rw' }],
    ],
    [['--add-host', 'a=1.2.3.4'], body => body.HostConfig?.ExtraHosts, ['a:1.2.3.4']],
    [
      ['--security-opt', 'systempaths=unconfined'],
      body => [body.HostConfig?.MaskedPaths, body.HostConfig?.SecurityOpt],
      [[], null],
    ],
    [['-e', 'A=1', '-e', 'GANTRY_TEST_ABSENT'], body => body.Env, ['A=1', 'GANTRY_TEST_ABSENT']],
    [['--init=false'], body => body.HostConfig?.Init, false],
  ];
  for (const [args, part, expected] of cases) assert.deepEqual(part(configOf(...args)), expected, args.join(' '));
});

test('flags that contradict themselves or mean nothing are refused with status 125', () => {
  const cases: [string[], string][] = [
    [['--restart', ':3'], 'invalid restart policy format: no policy provided before colon'],
    [['--pid', 'foo'], '--pid: invalid PID mode'],
    [['--uts', 'foo'], '--uts: invalid UTS mode'],
    [['--log-driver', 'none', '--log-opt', 'a=b'], 'invalid logging opts for driver none'],
    [['--memory-swappiness', '101'], 'invalid value: 101. Valid memory swappiness range is 0-100'],
    [['--no-healthcheck', '--health-cmd', 'x'], '--no-healthcheck conflicts with --health-* options'],
    [['--env-file', '/nonexistent'], 'open /nonexistent: no such file or directory'],
    [
      ['--network', 'bridge', '--network', 'foo'],
      'conflicting options: cannot attach both user-defined and non-user-defined network-modes',
    ],
    [['--security-opt', 'foo'], 'Invalid --security-opt: "foo"'],
  ];
  for (const [args, message] of cases)
    assert.throws(() => configOf(...args), { name: 'ExitError', status: 125, message });
});
