import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSize } from '@gantry/oci';
import type { HostConfig } from '../documents/index.ts';
import { fillHostConfig } from '../validate/fill.ts';
import { logTarget } from '../validate/log-target.ts';
import { parseBind } from '../validate/mount-grammar.ts';
import { containerCapabilities, DEFAULT_CAPABILITIES } from './capabilities.ts';
import { containerCgroup } from './cgroup.ts';
import { containerDevices, parseDeviceRule } from './devices.ts';
import { containerEnvironment, finishEnvironment, overrideEnvironment } from './environment.ts';
import { hostsFile } from './hosts-file.ts';
import { containerNamespaces } from './namespaces.ts';
import { requiredRootPropagation } from './propagation.ts';
import { type ResolvConfRequest, resolvConf } from './resolv-conf.ts';
import { containerResources } from './resources.ts';
import { containerRlimits } from './rlimits.ts';
import { containerSysctls } from './sysctls.ts';
import { mergeTmpfsOptions } from './tmpfs-options.ts';
import { findUser } from './user.ts';

const host = (given: Partial<HostConfig> = {}): HostConfig => fillHostConfig({ NetworkMode: 'bridge', ...given });

const FILES = {
  passwd: `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin

app:x:1000:1001:an app:/srv/app:/bin/sh
1234:x:5:5::/five:/bin/sh
broken:x
`,
  group: 'root:x:0:\ndaemon:x:1:\nstaff:x:50:app,daemon\nwheel:x:10:app\napps:x:1001:\n',
};

const USERS: [spec: string, uid: number, gid: number, groups: number[], home: string][] = [
  ['', 0, 0, [0], '/root'],
  ['root', 0, 0, [0], '/root'],
  ['app', 1000, 1001, [1001, 50, 10], '/srv/app'],
  ['1000', 1000, 1001, [1001, 50, 10], '/srv/app'],
  ['app:staff', 1000, 50, [50], '/srv/app'],
  ['app:7', 1000, 7, [7], '/srv/app'],
  ['9999', 9999, 0, [0], '/'],
  ['9999:8888', 9999, 8888, [8888], '/'],
  // A number is an id, never a name.
  ['1234', 1234, 0, [0], '/'],
  ['1234:wheel', 1234, 10, [10], '/'],
  [':50', 0, 50, [50], '/root'],
  ['broken', 0, 0, [0], '/root'],
];

for (const [spec, uid, gid, groups, home] of USERS) {
  test(`the user ${JSON.stringify(spec)} is found in the image's files`, () => {
    assert.deepEqual(findUser(spec, [], FILES), { uid, gid, groups, home });
  });
}

const NO_USER: [spec: string, groupAdd: string[], message: string][] = [
  ['nope', [], 'unable to find user nope: no matching entries in passwd file'],
  ['0:nope', [], 'unable to find group nope: no matching entries in group file'],
  ['root:root:foo', [], 'unable to find group root:foo: no matching entries in group file'],
  ['-1', [], 'uids and gids must be in range 0-2147483647'],
  ['4294967295', [], 'uids and gids must be in range 0-2147483647'],
  ['0', ['nope'], 'unable to find group nope: no matching entries in group file'],
  ['0', ['-1'], 'uids and gids must be in range 0-2147483647'],
];

for (const [spec, groupAdd, message] of NO_USER) {
  test(`the user ${spec} with groups [${groupAdd}] is refused`, () => {
    assert.throws(() => findUser(spec, groupAdd, FILES), { kind: 'system', message });
  });
}

test('groups are added by name and number', () => {
  assert.deepEqual(findUser('daemon', ['wheel', '55', 'wheel'], FILES).groups, [1, 50, 10, 55]);
});

test('an image without account files has root and numbers', () => {
  const none = { passwd: undefined, group: undefined };
  assert.deepEqual(findUser('', [], none), { uid: 0, gid: 0, groups: [0], home: '/' });
  assert.deepEqual(findUser('5:6', [], none), { uid: 5, gid: 6, groups: [6], home: '/' });
  assert.throws(() => findUser('root', [], none), { message: /unable to find user root/ });
});

test("an environment has Docker's own variables first, overridden in place", () => {
  const env = ['A=1', 'PATH=/own', 'TERM', 'A=2', 'NEW'];
  assert.deepEqual(containerEnvironment({ hostname: 'h', env }, true), ['PATH=/own', 'HOSTNAME=h', 'A=1', 'A=2']);
  assert.deepEqual(containerEnvironment({ hostname: 'h', env: null }, true), [
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'HOSTNAME=h',
    'TERM=xterm',
  ]);
  assert.deepEqual(overrideEnvironment(['A=1', 'B=2'], ['B', 'A=x=y']), ['A=x=y']);
});

test('execve gets the last of equal names, and HOME from the passwd file when it is missing or empty', () => {
  assert.deepEqual(finishEnvironment(['A=1', 'B=2', 'A=3'], '/h'), ['B=2', 'A=3', 'HOME=/h']);
  assert.deepEqual(finishEnvironment(['HOME=/own'], '/h'), ['HOME=/own']);
  assert.deepEqual(finishEnvironment(['HOME='], '/h'), ['HOME=/h']);
  assert.throws(() => finishEnvironment(['A=\0'], '/'), { kind: 'invalidParameter' });
});

test('/etc/hosts is what dockerd writes', () => {
  const request = {
    hostname: 'ec507623c68f',
    domainname: '',
    addresses: ['172.17.0.5'],
    extraHosts: ['foo:1.2.3.4', 'gw:host-gateway', 'six:::1'],
    hostGatewayIps: ['172.17.0.1'],
    ipv6: true,
  };
  assert.equal(
    hostsFile(request),
    '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n1.2.3.4\tfoo\n172.17.0.1\tgw\n::1\tsix\n172.17.0.5\tec507623c68f\n',
  );
  assert.equal(
    hostsFile({ ...request, hostname: 'a.b', domainname: 'c', ipv6: false }),
    '127.0.0.1\tlocalhost\n1.2.3.4\tfoo\n172.17.0.1\tgw\n172.17.0.5\ta.b.c a\n',
  );
  assert.throws(() => hostsFile({ ...request, hostGatewayIps: [] }), {
    message: 'unable to derive the IP value for host-gateway',
  });
});

const HEADER =
  '# Generated by Docker Engine.\n# This file can be edited; Docker Engine will not make further changes once it\n# has been modified.\n\n';
const RESOLV: ResolvConfRequest = {
  hostPath: '/etc/resolv.conf',
  hostText: 'nameserver 10.255.255.53\n',
  nameservers: [],
  search: [],
  options: [],
  ownNetwork: true,
  ipv6: false,
};

const RESOLV_CASES: [what: string, request: Partial<ResolvConfRequest>, body: string][] = [
  [
    "the host's server",
    {},
    "nameserver 10.255.255.53\n\n# Based on host file: '/etc/resolv.conf' (legacy)\n# Overrides: []\n",
  ],
  [
    'everything given',
    { nameservers: ['8.8.8.8'], search: ['a.b'], options: ['ndots:2'] },
    "nameserver 8.8.8.8\nsearch a.b\noptions ndots:2\n\n# Based on host file: '/etc/resolv.conf' (legacy)\n# Overrides: [nameservers search options]\n# Option ndots from: override\n",
  ],
  [
    "the host's network",
    {
      ownNetwork: false,
      hostText: '; c\nsearch x\ndomain y z\nnameserver 127.0.0.1\noptions a\noptions ndots:1\nsortlist q\n',
    },
    "nameserver 127.0.0.1\nsearch y z\noptions a ndots:1\nsortlist q\n\n# Based on host file: '/etc/resolv.conf'\n# Overrides: []\n# Option ndots from: host\n",
  ],
  [
    'loopback servers only',
    { hostText: 'nameserver 127.0.0.53\nnameserver ::1\nnameserver bad\n' },
    "nameserver 8.8.8.8\nnameserver 8.8.4.4\n\n# Based on host file: '/etc/resolv.conf' (legacy)\n# Used default nameservers.\n# Invalid nameservers: [bad]\n# Overrides: []\n",
  ],
  [
    'an IPv6 server',
    { ipv6: true, hostText: 'nameserver 2001:db8::1\n' },
    "nameserver 2001:db8::1\n\n# Based on host file: '/etc/resolv.conf' (legacy)\n# Overrides: []\n",
  ],
  [
    'an empty search list',
    { search: ['.'], hostText: 'nameserver 1.1.1.1\nsearch a\n' },
    "nameserver 1.1.1.1\n\n# Based on host file: '/etc/resolv.conf' (legacy)\n# Overrides: [search]\n",
  ],
];

for (const [what, request, body] of RESOLV_CASES) {
  test(`/etc/resolv.conf is what dockerd writes with ${what}`, () => {
    assert.equal(resolvConf({ ...RESOLV, ...request }), HEADER + body);
  });
}

test('a name server that is no address is refused', () => {
  assert.throws(() => resolvConf({ ...RESOLV, nameservers: ['foo'] }), {
    message: 'bad nameserver address foo: ParseAddr("foo"): unable to parse IP',
  });
});

test('capabilities are added and dropped as in dockerd', () => {
  const all = [...DEFAULT_CAPABILITIES, 'CAP_SYS_ADMIN', 'CAP_BPF'];
  const of = (given: Partial<HostConfig>): string[] => containerCapabilities(host(given), all);
  assert.deepEqual(of({}), DEFAULT_CAPABILITIES);
  assert.deepEqual(of({ Privileged: true, CapDrop: ['ALL'] }), all);
  assert.deepEqual(of({ CapDrop: ['all'], CapAdd: ['sys_admin'] }), ['CAP_SYS_ADMIN']);
  assert.deepEqual(
    of({ CapDrop: ['chown', 'ALL'], CapAdd: ['ALL'] }),
    all.filter(name => name !== 'CAP_CHOWN'),
  );
  assert.deepEqual(of({ CapDrop: ['CAP_KILL'], CapAdd: ['bpf', 'CAP_CHOWN'] }), [
    ...DEFAULT_CAPABILITIES.filter(name => name !== 'CAP_KILL'),
    'CAP_BPF',
  ]);
});

const BINDS: [raw: string, expected: string | { type: string; source: string; target: string; readOnly: boolean }][] = [
  ['', "invalid volume specification: ''"],
  ['/foo:rw', "invalid volume specification: '/foo:rw'"],
  ['/foo:/bar:zzz', 'invalid mode: zzz'],
  ['/foo:/bar:rw,ro', 'invalid mode: rw,ro'],
  ['/a:/b:ro:c', "invalid volume specification: '/a:/b:ro:c'"],
  [
    'foo',
    "invalid volume specification: 'foo': invalid mount config for type \"volume\": invalid mount path: 'foo' mount path must be absolute",
  ],
  [
    '/foo:bar',
    "invalid volume specification: '/foo:bar': invalid mount config for type \"bind\": invalid mount path: 'bar' mount path must be absolute",
  ],
  [
    '/foo:/',
    "invalid volume specification: '/foo:/': invalid mount config for type \"bind\": invalid specification: destination can't be '/'",
  ],
  [
    '/tmp/x:/b:nocopy',
    'invalid volume specification: \'/tmp/x:/b:nocopy\': invalid mount config for type "bind": field VolumeOptions must not be specified',
  ],
  [
    'abc:/b:rshared',
    'invalid volume specification: \'abc:/b:rshared\': invalid mount config for type "volume": field BindOptions must not be specified',
  ],
  ['/b', { type: 'volume', source: '', target: '/b', readOnly: false }],
  ['name:/b:ro,nocopy', { type: 'volume', source: 'name', target: '/b', readOnly: true }],
  ['/a:/b:z,ro,rslave', { type: 'bind', source: '/a', target: '/b', readOnly: true }],
];

for (const [raw, expected] of BINDS) {
  test(`the bind ${JSON.stringify(raw)} is read as dockerd reads it`, () => {
    const parsed = parseBind(raw, '');
    if (typeof parsed === 'string') return assert.equal(parsed, expected);
    const { Type, Source, Target, ReadOnly } = parsed.request;
    assert.deepEqual({ type: Type, source: Source, target: Target, readOnly: ReadOnly }, expected);
  });
}

test('tmpfs options: the last of those that contradict each other counts', () => {
  assert.deepEqual(mergeTmpfsOptions([]), ['noexec', 'nosuid', 'nodev', 'rprivate']);
  assert.deepEqual(mergeTmpfsOptions(['exec', 'size=1m', 'size=2m', 'ro', 'defaults']), [
    'nosuid',
    'nodev',
    'rprivate',
    'exec',
    'size=2m',
    'ro',
  ]);
  assert.throws(() => mergeTmpfsOptions(['foo=bar']), { message: 'invalid tmpfs option "foo"' });
  assert.throws(() => mergeTmpfsOptions(['foo']), { message: 'invalid tmpfs option "foo"' });
});

test('CPU limits become quota and period', () => {
  assert.deepEqual(containerResources(host({ NanoCpus: 1.5e9 })).cpu, { period: 100_000, quota: 150_000 });
  assert.deepEqual(containerResources(host({ CpuQuota: -1, CpuShares: 5 })).cpu, { shares: 5, quota: -1 });
  assert.deepEqual(containerResources(host({ Memory: 8e6, MemorySwap: -1, PidsLimit: 0 })), {
    memory: { limit: 8e6 },
    pids: { limit: -1 },
  });
  assert.deepEqual(containerResources(host()), {});
});

test('limits: -1 is infinity, the daemon fills what is not named, an unknown one is refused', () => {
  const defaults = [
    { Name: 'nofile', Soft: 1, Hard: 2 },
    { Name: 'core', Soft: -1, Hard: -1 },
  ];
  assert.deepEqual(containerRlimits([{ Name: 'nofile', Soft: 5, Hard: 6 }], defaults), [
    { type: 'RLIMIT_NOFILE', soft: 5n, hard: 6n, clamp: false },
    { type: 'RLIMIT_CORE', soft: 2n ** 64n - 1n, hard: 2n ** 64n - 1n, clamp: true },
  ]);
  assert.throws(() => containerRlimits([{ Name: 'foo', Soft: 1, Hard: 1 }], []), {
    message: /wrong rlimit value: RLIMIT_FOO$/,
  });
});

const SYSCTLS: [given: Partial<HostConfig>, message: RegExp][] = [
  [{ Sysctls: { foo: '1' } }, /sysctl "foo" is not in a separate kernel namespace$/],
  [
    { Sysctls: { 'kernel.hostname': '1' } },
    /sysctl "kernel.hostname" is not allowed as it conflicts with the OCI "hostname" field$/,
  ],
  [{ NetworkMode: 'host', Sysctls: { 'net.x': '1' } }, /sysctl "net.x" not allowed in host network namespace$/],
  [
    { IpcMode: 'host', Sysctls: { 'kernel.shmmax': '1' } },
    /sysctl "kernel.shmmax" is not allowed in the hosts ipc namespace$/,
  ],
];

for (const [given, message] of SYSCTLS) {
  test(`sysctls ${JSON.stringify(given)} are refused`, () => {
    const config = host(given);
    assert.throws(() => containerSysctls(config, containerNamespaces(config, {}, true)), { message });
  });
}

test('a network of its own gets ping and low ports, unless told otherwise', () => {
  const of = (given: Partial<HostConfig>) => containerSysctls(host(given), containerNamespaces(host(given), {}, true));
  assert.deepEqual(of({ Sysctls: { 'net/ipv4/ip_forward': '1', 'net.ipv4.ip_unprivileged_port_start': '1024' } }), {
    'net.ipv4.ping_group_range': '0 2147483647',
    'net.ipv4.ip_unprivileged_port_start': '1024',
    'net.ipv4.ip_forward': '1',
  });
  assert.deepEqual(of({ NetworkMode: 'host' }), {});
  assert.deepEqual(of({ NetworkMode: 'container:x' }), {});
});

test('modes decide the namespaces', () => {
  const types = (given: Partial<HostConfig>) => containerNamespaces(host(given), { pid: '/proc/7/ns/pid' }, true);
  assert.deepEqual(types({ NetworkMode: 'host', UTSMode: 'host', IpcMode: 'host', CgroupnsMode: 'private' }), [
    { type: 'mount' },
    { type: 'pid', path: '/proc/7/ns/pid' },
    { type: 'cgroup' },
  ]);
});

test('device rules are read, and a device that does not exist is named', () => {
  assert.deepEqual(parseDeviceRule('c 7:* rwm'), { allow: true, type: 'c', major: 7, access: 'rwm' });
  for (const rule of ['', 'c 1:1  rwm', 'z 1:1 rwm', 'c -1:1 rwm', 'c 1:1', 'c 1:1 x', 'c 1:1 rwmrwm']) {
    assert.throws(() => parseDeviceRule(rule), { message: `invalid device cgroup rule format: '${rule}'` });
  }
  const device = (PathOnHost: string, PathInContainer = '/dev/x') =>
    containerDevices(host({ Devices: [{ PathOnHost, PathInContainer, CgroupPermissions: 'rw' }] }));
  const failed = (path: string) => `error gathering device information while adding custom device "${path}": `;
  assert.throws(() => device('/dev/gantry-nope'), {
    message: `${failed('/dev/gantry-nope')}no such file or directory`,
  });
  assert.throws(() => device('/etc/passwd'), { message: `${failed('/etc/passwd')}not a device node` });
  const { devices, rules } = device('/dev/null');
  assert.deepEqual([devices[0]?.type, devices[0]?.path, devices[0]?.major, devices[0]?.minor], ['c', '/dev/x', 1, 3]);
  assert.deepEqual(rules.at(-1), { allow: true, type: 'c', major: 1, minor: 3, access: 'rw' });
  assert.deepEqual(containerDevices(host({ Privileged: true })).rules, [{ allow: true, access: 'rwm' }]);
  const request = { Driver: '', Count: -1, DeviceIDs: null, Capabilities: [['gpu', 'x'], ['y']], Options: null };
  assert.throws(() => containerDevices(host({ DeviceRequests: [request] })), {
    message: 'could not select device driver "" with capabilities: [[gpu x] [y]]',
  });
});

test('shared propagation needs a shared mount', () => {
  const mounts = [{ mountPoint: '/', propagation: [] as string[] }] as never;
  assert.equal(requiredRootPropagation('/', 'rprivate', mounts), undefined);
  assert.throws(() => requiredRootPropagation('/', 'rshared', mounts), {
    message: 'path / is mounted on / but it is not a shared mount',
  });
  assert.throws(() => requiredRootPropagation('/', 'slave', mounts), {
    message: 'path / is mounted on / but it is not a shared or slave mount',
  });
  const shared = [{ mountPoint: '/', propagation: ['shared:1'] }] as never;
  assert.equal(requiredRootPropagation('/', 'rshared', shared), 'shared');
  assert.equal(requiredRootPropagation('/', 'rslave', shared), 'rslave');
});

test('a cgroup parent cannot lead out of the tree', () => {
  assert.equal(containerCgroup('id', '', ''), '/gantry/id');
  assert.equal(containerCgroup('id', '', 'all'), '/all/id');
  assert.equal(containerCgroup('id', '../../x', 'all'), '/x/id');
});

test('sizes are read as Docker reads them', () => {
  assert.equal(parseSize('10m', 1000), 10_000_000);
  assert.equal(parseSize('1.5GiB', 1024), 1.5 * 2 ** 30);
  assert.equal(parseSize('7', 1000), 7);
  assert.equal(parseSize('1 kb', 1000), 1000);
  assert.equal(parseSize('x', 1000), "invalid size: 'x'");
  assert.equal(parseSize('-1', 1000), "invalid size: '-1'");
  assert.equal(parseSize('1zb', 1000), "invalid suffix: 'zb'");
});

test('logs are rotated at 10 MB and three files unless told otherwise', () => {
  const target = (Config: Record<string, string>) => logTarget({ Type: 'json-file', Config }, '/l');
  const base = { driver: 'json-file', path: '/l', compress: false };
  assert.deepEqual(target({}), { ...base, maxSizeBytes: 10_000_000, maxFiles: 3 });
  assert.deepEqual(target({ 'max-size': '1m' }), { ...base, maxSizeBytes: 1_000_000, maxFiles: 1 });
  assert.deepEqual(target({ 'max-file': '5' }), { ...base, maxSizeBytes: 10_000_000, maxFiles: 5 });
  assert.deepEqual(logTarget({ Type: 'none', Config: {} }, '/l'), { driver: 'none' });
  assert.throws(() => target({ 'max-size': 'x' }), { message: `invalid size: 'x'` });
  assert.throws(() => target({ 'max-size': '0' }), { message: `max-size must be a positive number` });
  assert.throws(() => target({ 'max-file': 'x' }), {
    message: `strconv.Atoi: parsing "x": invalid syntax`,
  });
  assert.throws(() => target({ 'max-file': '0' }), { message: `max-file cannot be less than 1` });
});
