import {
  bool,
  int,
  int64,
  list,
  map,
  named,
  pointer,
  string,
  stringMap,
  strings,
  struct,
  uint,
  uint64,
  words,
} from '../json/schema.ts';

const weightDevice = struct('blkiodev.WeightDevice', {
  Path: string,
  Weight: { kind: 'uint16', go: 'uint16' },
});
const throttleDevices = list(
  struct('blkiodev.ThrottleDevice', { Path: string, Rate: uint64 }),
  '[]*blkiodev.ThrottleDevice',
);

/** Resources of Engine API 1.51: what update may change, too. */
export const resources = struct(
  'container.Resources',
  {
    CpuShares: int64,
    Memory: int64,
    NanoCpus: int64,
    CgroupParent: string,
    BlkioWeight: { kind: 'uint16', go: 'uint16' },
    BlkioWeightDevice: list(weightDevice, '[]*blkiodev.WeightDevice'),
    BlkioDeviceReadBps: throttleDevices,
    BlkioDeviceWriteBps: throttleDevices,
    BlkioDeviceReadIOps: throttleDevices,
    BlkioDeviceWriteIOps: throttleDevices,
    CpuPeriod: int64,
    CpuQuota: int64,
    CpuRealtimePeriod: int64,
    CpuRealtimeRuntime: int64,
    CpusetCpus: string,
    CpusetMems: string,
    Devices: list(
      struct('container.DeviceMapping', { PathOnHost: string, PathInContainer: string, CgroupPermissions: string }),
      '[]container.DeviceMapping',
    ),
    DeviceCgroupRules: strings,
    DeviceRequests: list(
      struct('container.DeviceRequest', {
        Driver: string,
        Count: int,
        DeviceIDs: strings,
        Capabilities: list(strings, '[][]string'),
        Options: stringMap,
      }),
      '[]container.DeviceRequest',
    ),
    MemoryReservation: int64,
    MemorySwap: int64,
    MemorySwappiness: pointer(int64),
    OomKillDisable: pointer(bool),
    PidsLimit: pointer(int64),
    Ulimits: list(struct('units.Ulimit', { Name: string, Hard: int64, Soft: int64 }), '[]*units.Ulimit'),
    CpuCount: int64,
    CpuPercent: int64,
    IOMaximumIOps: uint64,
    IOMaximumBandwidth: uint64,
  },
  { KernelMemory: int64, KernelMemoryTCP: int64 },
);

const mount = struct(
  'mount.Mount',
  { Type: named('mount.Type'), Target: string },
  {
    Source: string,
    ReadOnly: bool,
    Consistency: named('mount.Consistency'),
    BindOptions: struct(
      'mount.BindOptions',
      {},
      {
        Propagation: named('mount.Propagation'),
        NonRecursive: bool,
        CreateMountpoint: bool,
        ReadOnlyNonRecursive: bool,
        ReadOnlyForceRecursive: bool,
      },
    ),
    VolumeOptions: struct(
      'mount.VolumeOptions',
      {},
      {
        NoCopy: bool,
        Labels: stringMap,
        Subpath: string,
        DriverConfig: struct('mount.Driver', {}, { Name: string, Options: stringMap }),
      },
    ),
    ImageOptions: struct('mount.ImageOptions', {}, { Subpath: string }),
    TmpfsOptions: struct(
      'mount.TmpfsOptions',
      {},
      { SizeBytes: int64, Mode: { kind: 'uint', go: 'fs.FileMode' }, Options: list(strings, '[][]string') },
    ),
    ClusterOptions: struct('mount.ClusterOptions', {}),
  },
);

export const restartPolicy = struct('container.RestartPolicy', {
  Name: named('container.RestartPolicyMode'),
  MaximumRetryCount: int,
});

const portBinding = struct('nat.PortBinding', { HostIp: string, HostPort: string });

const portMap = map(list(portBinding, '[]nat.PortBinding'), 'nat.PortMap');

/** HostConfig of Engine API 1.51. */
export const hostConfig = struct(
  'container.HostConfig',
  {
    Binds: strings,
    ContainerIDFile: string,
    LogConfig: struct('container.LogConfig', { Type: string, Config: stringMap }),
    NetworkMode: named('container.NetworkMode'),
    PortBindings: portMap,
    RestartPolicy: restartPolicy,
    AutoRemove: bool,
    VolumeDriver: string,
    VolumesFrom: strings,
    ConsoleSize: list(uint, '[2]uint', 2),
    CapAdd: words,
    CapDrop: words,
    CgroupnsMode: named('container.CgroupnsMode'),
    Dns: strings,
    DnsOptions: strings,
    DnsSearch: strings,
    ExtraHosts: strings,
    GroupAdd: strings,
    IpcMode: named('container.IpcMode'),
    Cgroup: named('container.CgroupSpec'),
    Links: strings,
    OomScoreAdj: int,
    PidMode: named('container.PidMode'),
    Privileged: bool,
    PublishAllPorts: bool,
    ReadonlyRootfs: bool,
    SecurityOpt: strings,
    UTSMode: named('container.UTSMode'),
    UsernsMode: named('container.UsernsMode'),
    ShmSize: int64,
    Runtime: string,
    Isolation: named('container.Isolation'),
    ...required(resources),
    MaskedPaths: strings,
    ReadonlyPaths: strings,
  },
  {
    ...optional(resources),
    Annotations: stringMap,
    StorageOpt: stringMap,
    Tmpfs: stringMap,
    Sysctls: stringMap,
    Mounts: list(mount, '[]mount.Mount'),
    Init: pointer(bool),
  },
);

/** The body of `POST /containers/{id}/update`. */
export const updateConfig = struct(
  'container.UpdateConfig',
  { ...required(resources), RestartPolicy: restartPolicy },
  // PortBindings is ours: dockerd passes over it.
  { ...optional(resources), PortBindings: portMap },
);

function required(schema: typeof resources) {
  return Object.fromEntries(
    Object.entries(schema.fields).flatMap(([name, field]) => (field.optional ? [] : [[name, field.schema]])),
  );
}

function optional(schema: typeof resources) {
  return Object.fromEntries(
    Object.entries(schema.fields).flatMap(([name, field]) => (field.optional ? [[name, field.schema]] : [])),
  );
}
