import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GantryError } from '@gantry/errors';
import type { StoredImage } from '@gantry/images';
import type { EngineDefaults } from '../defaults.ts';
import type { ContainerConfig, HostConfig } from '../documents/index.ts';
import { prepareCreate } from './index.ts';
import { DEFAULTS } from './testing-defaults.ts';

const ID = 'ab'.repeat(32);

const image = (config: StoredImage['config']['config'] = {}): StoredImage => ({
  id: `sha256:${'0'.repeat(64)}`,
  config: { architecture: 'amd64', os: 'linux', config, rootfs: { type: 'layers', diff_ids: [] } },
  configBytes: Buffer.from('{}'),
  repoTags: [],
  repoDigests: [],
  sizeBytes: 0,
  target: undefined,
  besideNames: [],
  lastTaggedAtMs: 0,
  storedAtMs: 0,
  lastUsedAtMs: 0,
  parentId: undefined,
});

type Partials = {
  config?: Partial<ContainerConfig>;
  host?: Partial<HostConfig>;
  image?: StoredImage['config']['config'];
  daemon?: Partial<EngineDefaults>;
  endpoints?: Record<string, { MacAddress?: string } | null>;
};

function prepare(given: Partials) {
  return prepareCreate(
    {
      config: { Image: 'busybox', Cmd: ['true'], ...given.config } as ContainerConfig,
      hostConfig: { ...given.host } as HostConfig,
      networkingConfig: { EndpointsConfig: given.endpoints ?? {} },
      name: undefined,
      platform: undefined,
    },
    image(given.image),
    { ...DEFAULTS, ...given.daemon },
    ID,
  );
}

const mount = (fields: object): Partial<HostConfig> => ({ Mounts: [fields] as HostConfig['Mounts'] });

// Each text was read from dockerd 28.5.2.
const REFUSED: [what: string, given: Partials, message: string, kind?: GantryError['kind']][] = [
  ['no command', { config: { Cmd: null } }, 'no command specified'],
  ['little memory', { host: { Memory: 100 } }, 'Minimum memory limit allowed is 6MB'],
  ['negative memory', { host: { Memory: -5 } }, 'Minimum memory limit allowed is 6MB'],
  [
    'swap below memory',
    { host: { Memory: 8e6, MemorySwap: 100 } },
    'Minimum memoryswap limit should be larger than memory limit, see usage',
  ],
  [
    'swap alone',
    { host: { MemorySwap: 100 } },
    'You should always set the Memory limit when using Memoryswap limit, see usage',
  ],
  ['swappiness', { host: { MemorySwappiness: 101 } }, 'Invalid value: 101, valid memory swappiness range is 0-100'],
  ['little reservation', { host: { MemoryReservation: 100 } }, 'Minimum memory reservation allowed is 6MB'],
  [
    'reservation above limit',
    { host: { MemoryReservation: 9e6, Memory: 8e6 } },
    'Minimum memory limit can not be less than memory reservation limit, see usage',
  ],
  ['cpus', { host: { NanoCpus: 3e9 } }, 'range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available'],
  [
    'negative cpus',
    { host: { NanoCpus: -1 } },
    'range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available',
  ],
  [
    'cpus and period',
    { host: { NanoCpus: 1e9, CpuPeriod: 1000 } },
    'Conflicting options: Nano CPUs and CPU Period cannot both be set',
  ],
  [
    'cpus and quota',
    { host: { NanoCpus: 1e9, CpuQuota: 1000 } },
    'Conflicting options: Nano CPUs and CPU Quota cannot both be set',
  ],
  [
    'period',
    { host: { CpuPeriod: 10 } },
    'CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)',
  ],
  ['quota', { host: { CpuQuota: 10 } }, 'CPU cfs quota can not be less than 1ms (i.e. 1000)'],
  ['shares', { host: { CpuShares: -1 } }, 'invalid CPU shares (-1): value must be a positive integer'],
  ['cpuset', { host: { CpusetCpus: '7' } }, 'Requested CPUs are not available - requested 7, available: 0-1'],
  ['cpuset text', { host: { CpusetCpus: '0-' } }, 'Invalid value 0- for cpuset cpus: invalid format: 0-'],
  ['cpuset order', { host: { CpusetCpus: '1-0' } }, 'Invalid value 1-0 for cpuset cpus: invalid format: 1-0'],
  ['mems', { host: { CpusetMems: '3' } }, 'Requested memory nodes are not available - requested 3, available: 0'],
  ['IOps', { host: { IOMaximumIOps: 5 } }, 'invalid option: QoS maximum IOPs configuration is not supported on linux'],
  ['oom score', { host: { OomScoreAdj: 2000 } }, 'Invalid value 2000, range for oom score adj is [-1000, 1000]'],
  ['shm size', { host: { ShmSize: -1 } }, 'SHM size can not be less than 0'],
  ['ipc', { host: { IpcMode: 'foo' } }, 'invalid IPC mode: foo'],
  ['pid', { host: { PidMode: 'container:' } }, 'invalid PID mode: container:'],
  ['uts', { host: { UTSMode: 'foo' } }, 'invalid UTS mode: foo'],
  ['cgroupns', { host: { CgroupnsMode: 'foo' } }, 'invalid cgroup namespace mode: foo'],
  ['runtime', { host: { Runtime: 'foo' } }, 'unknown or invalid runtime name: foo'],
  ['isolation', { host: { Isolation: 'foo' } }, "invalid isolation (foo): linux only supports 'default'"],
  ['cap add', { host: { CapAdd: ['foo'] } }, 'invalid CapAdd: unknown capability: "CAP_FOO"'],
  ['cap drop', { host: { CapDrop: ['cap_foo'] } }, 'invalid CapDrop: unknown capability: "CAP_FOO"'],
  ['security option', { host: { SecurityOpt: ['foo'] } }, 'invalid --security-opt 1: "foo"', 'system'],
  ['security option value', { host: { SecurityOpt: ['foo=bar'] } }, 'invalid --security-opt 2: "foo=bar"', 'system'],
  [
    'no-new-privileges',
    { host: { SecurityOpt: ['no-new-privileges:maybe'] } },
    'invalid --security-opt 2: "no-new-privileges:maybe"',
    'system',
  ],
  [
    'restart policy',
    { host: { RestartPolicy: { Name: 'foo', MaximumRetryCount: 0 } } },
    "invalid restart policy: unknown policy 'foo'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
  ],
  [
    'retries',
    { host: { RestartPolicy: { Name: 'always', MaximumRetryCount: -2 } } },
    "invalid restart policy: maximum retry count can only be used with 'on-failure' and cannot be negative",
  ],
  [
    'negative retries',
    { host: { RestartPolicy: { Name: 'on-failure', MaximumRetryCount: -2 } } },
    'invalid restart policy: maximum retry count cannot be negative',
  ],
  [
    'rm and restart',
    { host: { AutoRemove: true, RestartPolicy: { Name: 'always', MaximumRetryCount: 0 } } },
    "can't create 'AutoRemove' container with restart policy",
  ],
  [
    'log driver',
    { host: { LogConfig: { Type: 'foo', Config: {} } } },
    'error looking up logging plugin foo: plugin "foo" not found',
  ],
  [
    'log option',
    { host: { LogConfig: { Type: '', Config: { foo: 'bar' } } } },
    "unknown log opt 'foo' for json-file log driver",
  ],
  [
    'log mode',
    { host: { LogConfig: { Type: '', Config: { mode: 'bar' } } } },
    'logger: logging mode not supported: bar',
  ],
  [
    'log buffer',
    { host: { LogConfig: { Type: '', Config: { 'max-buffer-size': '1m' } } } },
    "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
  ],
  [
    'unbuilt log driver',
    { host: { LogConfig: { Type: 'syslog', Config: {} } } },
    'the log driver syslog is not built yet',
    'notImplemented',
  ],
  ['add-host', { host: { ExtraHosts: ['foo'] } }, 'bad format for add-host: "foo"'],
  ['add-host address', { host: { ExtraHosts: ['foo:1.2.3.4:5'] } }, 'invalid IP address in add-host: "1.2.3.4:5"'],
  [
    'annotation',
    { host: { Annotations: { '': 'x' } } },
    'invalid Annotations: the empty string is not permitted as an annotation key',
  ],
  ['port', { host: { PortBindings: { 'foo/tcp': null } } }, 'invalid port specification: "foo"'],
  [
    'host port',
    { host: { PortBindings: { '80/tcp': [{ HostIp: '', HostPort: '99999' }] } } },
    'invalid port specification: "99999"',
  ],
  [
    'container mode',
    { host: { NetworkMode: 'container:' } },
    'invalid network mode: invalid container format container:<name|id>',
  ],
  [
    'container mode and ports',
    { host: { NetworkMode: 'container:x', PublishAllPorts: true } },
    'conflicting options: port publishing and the container type network mode',
  ],
  [
    'container mode and expose',
    { host: { NetworkMode: 'container:x' }, config: { ExposedPorts: { '80/tcp': {} } } },
    'conflicting options: port exposing and the container type network mode',
  ],
  [
    'container mode and hostname',
    { host: { NetworkMode: 'container:x' }, config: { Hostname: 'foo' } },
    'conflicting options: hostname and the network mode',
  ],
  [
    'container mode and dns',
    { host: { NetworkMode: 'container:x', Dns: ['8.8.8.8'] } },
    'conflicting options: dns and the network mode',
  ],
  [
    'container mode and add-host',
    { host: { NetworkMode: 'container:x', ExtraHosts: ['a:1.2.3.4'] } },
    'conflicting options: custom host-to-IP mapping and the network mode',
  ],
  [
    'container mode and links',
    { host: { NetworkMode: 'container:x', Links: ['a:b'] } },
    "conflicting options: container type network can't be used with links. This would result in undefined behavior",
  ],
  [
    'host mode and links',
    { host: { NetworkMode: 'host', Links: ['a:b'] } },
    "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
  ],
  [
    'host uts and hostname',
    { host: { UTSMode: 'host' }, config: { Hostname: 'foo' } },
    'conflicting options: hostname and the UTS mode',
  ],
  [
    'MAC address',
    { endpoints: { bridge: { MacAddress: 'foo' } } },
    'invalid config for network bridge: invalid MAC address foo',
  ],
  ['endpoint', { endpoints: { bridge: null } }, 'invalid config for network bridge: EndpointsConfig is nil'],
  [
    'working directory',
    { config: { WorkingDir: 'foo' } },
    "the working directory 'foo' is invalid, it needs to be an absolute path",
  ],
  ['stop signal', { config: { StopSignal: 'foo' } }, 'invalid signal: foo'],
  ['stop signal 0', { config: { StopSignal: '0' } }, 'invalid signal: 0'],
  ['variable', { config: { Env: ['=foo'] } }, 'invalid environment variable: =foo'],
  ['empty variable', { config: { Env: [''] } }, 'invalid environment variable: '],
  [
    'health interval',
    { config: { Healthcheck: { Interval: 100 } } },
    'Interval in Healthcheck cannot be less than 1ms',
  ],
  ['health retries', { config: { Healthcheck: { Retries: -1 } } }, 'Retries in Healthcheck cannot be negative'],
  ['tmpfs path', { host: { Tmpfs: { b: '' } } }, "invalid mount path: 'b' mount path must be absolute"],
  ['tmpfs root', { host: { Tmpfs: { '/': '' } } }, "invalid specification: destination can't be '/'"],
  [
    'mount type',
    { host: mount({ Type: 'foo', Source: '/tmp', Target: '/b' }) },
    'invalid mount config for type "foo": mount type unknown',
  ],
  [
    'bind source',
    { host: mount({ Type: 'bind', Target: '/b' }) },
    'invalid mount config for type "bind": field Source must not be empty',
  ],
  [
    'mount target',
    { host: mount({ Type: 'bind', Source: '/tmp', Target: '' }) },
    'invalid mount config for type "bind": field Target must not be empty',
  ],
  [
    'relative target',
    { host: mount({ Type: 'bind', Source: '/tmp', Target: 'b' }) },
    'invalid mount config for type "bind": invalid mount path: \'b\' mount path must be absolute',
  ],
  [
    'root target',
    { host: mount({ Type: 'bind', Source: '/tmp', Target: '/' }) },
    "invalid mount config for type \"bind\": invalid specification: destination can't be '/'",
  ],
  [
    'propagation',
    { host: mount({ Type: 'bind', Source: '/tmp', Target: '/b', BindOptions: { Propagation: 'foo' } }) },
    'invalid mount config for type "bind": invalid propagation mode: foo',
  ],
  [
    'foreign options',
    { host: mount({ Type: 'bind', Source: '/tmp', Target: '/b', VolumeOptions: {} }) },
    'VolumeOptions must not be specified on mount type "bind"',
  ],
  [
    'anonymous read-only',
    { host: mount({ Type: 'volume', Target: '/b', ReadOnly: true }) },
    'invalid mount config for type "volume": must not set ReadOnly mode when using anonymous volumes',
  ],
  [
    'subpath',
    { host: mount({ Type: 'volume', Source: 'ab', Target: '/b', VolumeOptions: { Subpath: '../x' } }) },
    'invalid mount config for type "volume": subpath must be a relative path within the volume',
  ],
  [
    'anonymous subpath',
    { host: mount({ Type: 'volume', Target: '/b', VolumeOptions: { Subpath: 'x' } }) },
    'invalid mount config for type "volume": must not set Subpath when using anonymous volumes',
  ],
  [
    'tmpfs source',
    { host: mount({ Type: 'tmpfs', Source: 'ab', Target: '/b' }) },
    'invalid mount config for type "tmpfs": field Source must not be specified',
  ],
  [
    'tmpfs option',
    { host: mount({ Type: 'tmpfs', Target: '/b', TmpfsOptions: { Options: [['foo']] } }) },
    'invalid mount config for type "tmpfs": invalid option: foo',
  ],
];

for (const [what, given, message, kind = 'invalidParameter'] of REFUSED) {
  test(`a request is refused in dockerd's words: ${what}`, () => {
    assert.throws(() => prepare(given), { kind, message });
  });
}

test('a bare request gets the defaults that inspect shows', () => {
  const { config, hostConfig, warnings } = prepare({});
  assert.deepEqual(warnings, []);
  // dockerd 28.5.2: POST /containers/create {"Image":"busybox","Cmd":["true"]}, then inspect.
  assert.equal(
    JSON.stringify(config),
    '{"Hostname":"abababababab","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":null,"Cmd":["true"],"Image":"busybox","Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":{}}',
  );
  const { MaskedPaths, ReadonlyPaths, ...rest } = hostConfig;
  assert.equal(
    JSON.stringify(rest),
    '{"Binds":null,"ContainerIDFile":"","LogConfig":{"Type":"json-file","Config":{}},"NetworkMode":"bridge","PortBindings":null,"RestartPolicy":{"Name":"no","MaximumRetryCount":0},"AutoRemove":false,"VolumeDriver":"","VolumesFrom":null,"ConsoleSize":[0,0],"CapAdd":null,"CapDrop":null,"CgroupnsMode":"host","Dns":null,"DnsOptions":null,"DnsSearch":null,"ExtraHosts":null,"GroupAdd":null,"IpcMode":"private","Cgroup":"","Links":null,"OomScoreAdj":0,"PidMode":"","Privileged":false,"PublishAllPorts":false,"ReadonlyRootfs":false,"SecurityOpt":null,"UTSMode":"","UsernsMode":"","ShmSize":67108864,"Runtime":"runc","Isolation":"","CpuShares":0,"Memory":0,"NanoCpus":0,"CgroupParent":"","BlkioWeight":0,"BlkioWeightDevice":null,"BlkioDeviceReadBps":null,"BlkioDeviceWriteBps":null,"BlkioDeviceReadIOps":null,"BlkioDeviceWriteIOps":null,"CpuPeriod":0,"CpuQuota":0,"CpuRealtimePeriod":0,"CpuRealtimeRuntime":0,"CpusetCpus":"","CpusetMems":"","Devices":null,"DeviceCgroupRules":null,"DeviceRequests":null,"MemoryReservation":0,"MemorySwap":0,"MemorySwappiness":null,"OomKillDisable":false,"PidsLimit":null,"Ulimits":null,"CpuCount":0,"CpuPercent":0,"IOMaximumIOps":0,"IOMaximumBandwidth":0}',
  );
  assert.equal(MaskedPaths?.[0], '/proc/asound');
  assert.equal(MaskedPaths?.[11], '/sys/devices/virtual/powercap');
  assert.equal(ReadonlyPaths?.length, 5);
});

test('a privileged container has no masked paths and no label', () => {
  const { hostConfig } = prepare({ host: { Privileged: true, Memory: 8e6 } });
  assert.equal(hostConfig.MaskedPaths, null);
  assert.equal(hostConfig.ReadonlyPaths, null);
  assert.deepEqual(hostConfig.SecurityOpt, ['label=disable']);
  assert.equal(hostConfig.MemorySwap, 16e6);
});

test('what the kernel cannot do is taken back with a warning', () => {
  const { hostConfig, warnings } = prepare({ host: { BlkioWeight: 500, CpuPercent: 5, OomKillDisable: true } });
  assert.equal(hostConfig.BlkioWeight, 0);
  assert.deepEqual(warnings, [
    'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.',
    'linux does not support CPU percent. Percent discarded.',
    'Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.',
  ]);
});

test('published ports of the host network are discarded with a warning', () => {
  const host = { NetworkMode: 'host', PortBindings: { '80/tcp': [{ HostIp: '', HostPort: '80' }] } };
  const { warnings, config } = prepare({ host });
  assert.deepEqual(warnings, ['Published ports are discarded when using host network mode']);
  assert.equal(config.Hostname, DEFAULTS.hostname);
});

test('the request is not changed', () => {
  const hostConfig = { Mounts: [{ Type: 'tmpfs', Target: '/x' }] } as Partial<HostConfig>;
  const before = structuredClone(hostConfig);
  prepare({ host: hostConfig });
  assert.deepEqual(hostConfig, before);
});

const IMAGE = {
  Env: ['PATH=/bin', 'A=image'],
  Cmd: ['image-cmd'],
  Entrypoint: ['image-entry'],
  User: 'image-user',
  WorkingDir: '/image',
  Labels: { a: 'image', b: 'image' },
  ExposedPorts: { '80/tcp': {} },
  Volumes: { '/v': {} },
  StopSignal: 'SIGQUIT',
};

test('an image fills what the request leaves open', () => {
  const { config } = prepare({ config: { Cmd: null }, image: IMAGE });
  assert.deepEqual(config.Env, ['PATH=/bin', 'A=image']);
  assert.deepEqual(config.Cmd, ['image-cmd']);
  assert.deepEqual(config.Entrypoint, ['image-entry']);
  assert.equal(config.User, 'image-user');
  assert.equal(config.WorkingDir, '/image');
  assert.deepEqual(config.ExposedPorts, { '80/tcp': {} });
  assert.deepEqual(config.Volumes, { '/v': {} });
  assert.equal(config.StopSignal, 'SIGQUIT');
});

test('a request wins over the image, key by key', () => {
  const { config } = prepare({
    config: {
      Cmd: ['own'],
      Env: ['A=own', 'B'],
      Labels: { a: 'own' },
      User: 'own',
      ExposedPorts: { '81/tcp': {} },
      Volumes: { '/w': {} },
      WorkingDir: '/own/x/..',
    },
    image: IMAGE,
  });
  assert.deepEqual(config.Env, ['A=own', 'B', 'PATH=/bin']);
  assert.deepEqual(config.Labels, { a: 'own', b: 'image' });
  assert.deepEqual(Object.keys(config.ExposedPorts ?? {}).sort(), ['80/tcp', '81/tcp']);
  assert.deepEqual(Object.keys(config.Volumes ?? {}).sort(), ['/v', '/w']);
  assert.equal(config.WorkingDir, '/own');
  assert.equal(config.User, 'own');
});

const COMMANDS: [
  what: string,
  cmd: string[] | null,
  entry: string[] | null,
  expectCmd: string[] | null,
  expectEntry: string[] | null,
][] = [
  ['nothing given', null, null, ['image-cmd'], ['image-entry']],
  ['a command', ['own'], null, ['own'], ['image-entry']],
  ['an entry point', null, ['own-entry'], null, ['own-entry']],
  ['both', ['own'], ['own-entry'], ['own'], ['own-entry']],
  ['an entry point taken away', ['own'], [''], ['own'], null],
  ['an empty entry point', null, [], ['image-cmd'], []],
];

for (const [what, cmd, entry, expectCmd, expectEntry] of COMMANDS) {
  test(`the command of a container with ${what}`, () => {
    const { config } = prepare({ config: { Cmd: cmd, Entrypoint: entry }, image: IMAGE });
    assert.deepEqual(config.Cmd, expectCmd);
    assert.deepEqual(config.Entrypoint, expectEntry);
  });
}

test("an image's health check is kept", () => {
  const Healthcheck = { Test: ['CMD', 'true'], Interval: 5e9 };
  assert.deepEqual(prepare({ image: { Healthcheck } }).config.Healthcheck, Healthcheck);
  const off = prepare({ image: { Healthcheck }, config: { Healthcheck: { Test: ['NONE'] } } });
  assert.deepEqual(off.config.Healthcheck?.Test, ['NONE']);
});
