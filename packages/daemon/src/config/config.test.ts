import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseCommandLine } from './command-line.ts';
import { type DaemonConfig, loadConfig } from './config.ts';

/** The settings of a command line with a daemon.json of this content; without one when undefined. */
function load(file: string | undefined, ...argv: string[]): DaemonConfig {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-config-'));
  try {
    const path = join(directory, 'daemon.json');
    if (file !== undefined) writeFileSync(path, file);
    const line = parseCommandLine(file === undefined ? argv : ['--config-file', path, ...argv]);
    assert.equal(line.kind, 'run');
    return loadConfig(line.kind === 'run' ? line.given : new Map());
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('without any setting the daemon has its documented defaults', () => {
  const config = load('');
  assert.deepEqual(config.hosts, ['unix:///run/gantry.sock']);
  assert.equal(config.dataRoot, '/var/lib/gantry');
  assert.equal(config.execRoot, '/run/gantry');
  assert.equal(config.pidfile, '/run/gantry.pid');
  assert.equal(config.bridge, 'gantry0');
  assert.equal(config.liveRestore, true);
  assert.equal(config.shmSizeBytes, 64 * 2 ** 20);
});

test('a daemon with an exec root of its own has its pid file there', () => {
  assert.equal(load('', '--exec-root', '/run/other').pidfile, '/run/other/gantry.pid');
});

test('the keys of daemon.json are those of dockerd', () => {
  const config = load(
    JSON.stringify({
      hosts: ['unix:///a', 'tcp://127.0.0.1:1'],
      debug: true,
      'live-restore': false,
      'log-driver': 'none',
      'log-opts': { 'max-size': '1m' },
      labels: ['a=b'],
      dns: ['1.1.1.1'],
      'default-ulimits': { nofile: { Name: 'nofile', Soft: 10, Hard: 20 } },
      'default-address-pools': [{ base: '10.9.0.0/16', size: 24 }],
      'default-shm-size': '128M',
      'insecure-registries': ['r:5000'],
      proxies: { 'http-proxy': 'http://p:1', 'no-proxy': 'x' },
      'exec-opts': ['native.cgroupdriver=cgroupfs'],
      features: { buildkit: true },
    }),
  );
  assert.deepEqual(config.hosts, ['unix:///a', 'tcp://127.0.0.1:1']);
  assert.equal(config.debug, true);
  assert.equal(config.liveRestore, false);
  assert.deepEqual(config.logOptions, { 'max-size': '1m' });
  assert.deepEqual(config.labels, ['a=b']);
  assert.deepEqual(config.ulimits, [{ Name: 'nofile', Soft: 10, Hard: 20 }]);
  assert.deepEqual(config.defaultAddressPools, [{ base: '10.9.0.0/16', size: 24 }]);
  assert.equal(config.shmSizeBytes, 128 * 2 ** 20);
  assert.equal(config.httpProxy, 'http://p:1');
  assert.equal(config.noProxy, 'x');
});

test('the same settings as flags', () => {
  const config = load(
    undefined,
    ...['--default-ulimit', 'nofile=10:20', '--default-ulimit', 'nproc=5', '--log-opt', 'max-file=3'],
    ...['--default-address-pool', 'base=10.9.0.0/16,size=24', '--default-shm-size', '1g', '--label', 'a=b=c'],
  );
  assert.deepEqual(config.ulimits, [
    { Name: 'nofile', Soft: 10, Hard: 20 },
    { Name: 'nproc', Soft: 5, Hard: 5 },
  ]);
  assert.deepEqual(config.logOptions, { 'max-file': '3' });
  assert.deepEqual(config.defaultAddressPools, [{ base: '10.9.0.0/16', size: 24 }]);
  assert.equal(config.shmSizeBytes, 2 ** 30);
  assert.deepEqual(config.labels, ['a=b=c']);
});

test('what is given twice, as a flag and in the file, is refused as dockerd does', () => {
  assert.throws(
    () => load('{"debug":false,"hosts":["unix:///a"]}', '-D', '-H', 'unix:///b'),
    /: the following directives are specified both as a flag and in the configuration file: debug: \(from flag: true, from file: false\), hosts: \(from flag: \[unix:\/\/\/b\], from file: \[unix:\/\/\/a\]\)$/,
  );
});

test('unknown keys are refused as dockerd does', () => {
  assert.throws(
    () => load('{"bogus":1,"label":["a=b"]}'),
    /unable to configure the Gantry daemon with file .*: the following directives don't match any configuration option: bogus, label$/,
  );
});

test('a file that is named must exist; the default one need not', () => {
  assert.throws(() => load(undefined, '--config-file', '/nonexistent/daemon.json'), /no such file or directory/);
});

test('the default bridge and the options of new networks are as the settings say', () => {
  const flags = ['--ipv6', '--fixed-cidr-v6', 'fd00::/64', '--mtu', '1400'];
  assert.deepEqual(load('{"fixed-cidr":"10.1.0.0/25"}', ...flags).defaultBridge, {
    ipv6: true,
    mtu: 1400,
    fixedCidr: '10.1.0.0/25',
    fixedCidr6: 'fd00::/64',
  });
  const options = { bridge: { 'com.docker.network.driver.mtu': '1400' } };
  assert.deepEqual(load(JSON.stringify({ 'default-network-opts': options })).defaultNetworkOptions, options);
  const flag = 'bridge=com.docker.network.driver.mtu=1400';
  assert.deepEqual(load('', '--default-network-opt', flag).defaultNetworkOptions, options);
});

test('a setting that cannot be honoured is refused by name, and accepted where it asks for what is anyway', () => {
  assert.throws(() => load('', '--userns-remap', 'default'), /the option userns-remap cannot be honoured yet/);
  assert.throws(
    () => load('{"experimental":true}'),
    /the option experimental cannot be honoured yet with the value true \(only with false\)/,
  );
  assert.throws(() => load('{"exec-opts":["native.cgroupdriver=systemd"]}'), /exec-opts cannot be honoured yet/);
  assert.equal(load('{"ipv6":false,"mtu":1500}').debug, false);
});

test('values of the wrong kind are refused', () => {
  const wrong: readonly (readonly [string | undefined, readonly string[], RegExp])[] = [
    ['{"debug":"yes"}', [], /the value of debug has the wrong type/],
    ['{', [], /unable to configure the Gantry daemon/],
    ['[]', [], /no JSON object/],
    ['', ['--debug=maybe'], /invalid argument "maybe" for "-D, --debug" flag/],
    ['', ['--shutdown-timeout', 'x'], /invalid argument "x" for "--shutdown-timeout" flag/],
    ['', ['--default-shm-size', '5 apples'], /invalid size: '5 apples'/],
    ['', ['--log-level', 'loud'], /invalid log-level: "loud"/],
    ['', ['--label', 'nolabel'], /bad attribute format: nolabel/],
    ['', ['--max-concurrent-downloads', '0'], /invalid max concurrent downloads: 0/],
    ['', ['--seccomp-profile', '/nonexistent.json'], /opening seccomp profile \(\/nonexistent.json\) failed/],
  ];
  for (const [file, argv, message] of wrong) assert.throws(() => load(file, ...argv), message);
});
