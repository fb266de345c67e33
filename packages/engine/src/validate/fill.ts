import type { ContainerConfig, HostConfig, MountRequest } from '../documents/index.ts';

/**
 * The container's own configuration with Go's zero values for what a client left out, in the order of dockerd's JSON.
 * Optional keys are left out when they are empty, as `omitempty` does.
 */
export function fillConfig(given: Partial<ContainerConfig>): ContainerConfig {
  const optional = <T>(key: string, value: T | undefined, empty: boolean): Record<string, T> =>
    value === undefined || value === null || empty ? {} : { [key]: value };
  return {
    Hostname: given.Hostname ?? '',
    Domainname: given.Domainname ?? '',
    User: given.User ?? '',
    AttachStdin: given.AttachStdin ?? false,
    AttachStdout: given.AttachStdout ?? false,
    AttachStderr: given.AttachStderr ?? false,
    ...optional('ExposedPorts', given.ExposedPorts, Object.keys(given.ExposedPorts ?? {}).length === 0),
    Tty: given.Tty ?? false,
    OpenStdin: given.OpenStdin ?? false,
    StdinOnce: given.StdinOnce ?? false,
    Env: given.Env ?? null,
    Cmd: given.Cmd ?? null,
    ...optional('Healthcheck', given.Healthcheck, false),
    ...optional('ArgsEscaped', given.ArgsEscaped, given.ArgsEscaped === false),
    Image: given.Image ?? '',
    Volumes: given.Volumes ?? null,
    WorkingDir: given.WorkingDir ?? '',
    Entrypoint: given.Entrypoint ?? null,
    ...optional('NetworkDisabled', given.NetworkDisabled, given.NetworkDisabled === false),
    ...optional('MacAddress', given.MacAddress, given.MacAddress === ''),
    OnBuild: given.OnBuild ?? null,
    Labels: given.Labels ?? null,
    ...optional('StopSignal', given.StopSignal, given.StopSignal === ''),
    ...optional('StopTimeout', given.StopTimeout, false),
    ...optional('Shell', given.Shell, given.Shell?.length === 0),
  };
}

/** The host configuration with Go's zero values for what a client left out, in the order of dockerd's JSON. */
export function fillHostConfig(given: Partial<HostConfig>): HostConfig {
  const nonEmpty = <T extends object>(key: string, value: T | null | undefined): Record<string, T> =>
    value === null || value === undefined || Object.keys(value).length === 0 ? {} : { [key]: value };
  return {
    Binds: given.Binds ?? null,
    ContainerIDFile: given.ContainerIDFile ?? '',
    LogConfig: { Type: given.LogConfig?.Type ?? '', Config: given.LogConfig?.Config ?? null },
    NetworkMode: given.NetworkMode ?? '',
    PortBindings: given.PortBindings ?? null,
    RestartPolicy: {
      Name: given.RestartPolicy?.Name ?? '',
      MaximumRetryCount: given.RestartPolicy?.MaximumRetryCount ?? 0,
    },
    AutoRemove: given.AutoRemove ?? false,
    VolumeDriver: given.VolumeDriver ?? '',
    VolumesFrom: given.VolumesFrom ?? null,
    ConsoleSize: [given.ConsoleSize?.[0] ?? 0, given.ConsoleSize?.[1] ?? 0],
    ...nonEmpty('Annotations', given.Annotations),
    CapAdd: given.CapAdd ?? null,
    CapDrop: given.CapDrop ?? null,
    CgroupnsMode: given.CgroupnsMode ?? '',
    Dns: given.Dns ?? null,
    DnsOptions: given.DnsOptions ?? null,
    DnsSearch: given.DnsSearch ?? null,
    ExtraHosts: given.ExtraHosts ?? null,
    GroupAdd: given.GroupAdd ?? null,
    IpcMode: given.IpcMode ?? '',
    Cgroup: given.Cgroup ?? '',
    Links: given.Links ?? null,
    OomScoreAdj: given.OomScoreAdj ?? 0,
    PidMode: given.PidMode ?? '',
    Privileged: given.Privileged ?? false,
    PublishAllPorts: given.PublishAllPorts ?? false,
    ReadonlyRootfs: given.ReadonlyRootfs ?? false,
    SecurityOpt: given.SecurityOpt ?? null,
    ...nonEmpty('StorageOpt', given.StorageOpt),
    ...nonEmpty('Tmpfs', given.Tmpfs),
    UTSMode: given.UTSMode ?? '',
    UsernsMode: given.UsernsMode ?? '',
    ShmSize: given.ShmSize ?? 0,
    ...nonEmpty('Sysctls', given.Sysctls),
    Runtime: given.Runtime ?? '',
    Isolation: given.Isolation ?? '',
    CpuShares: given.CpuShares ?? 0,
    Memory: given.Memory ?? 0,
    NanoCpus: given.NanoCpus ?? 0,
    CgroupParent: given.CgroupParent ?? '',
    BlkioWeight: given.BlkioWeight ?? 0,
    BlkioWeightDevice: given.BlkioWeightDevice ?? null,
    BlkioDeviceReadBps: given.BlkioDeviceReadBps ?? null,
    BlkioDeviceWriteBps: given.BlkioDeviceWriteBps ?? null,
    BlkioDeviceReadIOps: given.BlkioDeviceReadIOps ?? null,
    BlkioDeviceWriteIOps: given.BlkioDeviceWriteIOps ?? null,
    CpuPeriod: given.CpuPeriod ?? 0,
    CpuQuota: given.CpuQuota ?? 0,
    CpuRealtimePeriod: given.CpuRealtimePeriod ?? 0,
    CpuRealtimeRuntime: given.CpuRealtimeRuntime ?? 0,
    CpusetCpus: given.CpusetCpus ?? '',
    CpusetMems: given.CpusetMems ?? '',
    Devices: given.Devices ?? null,
    DeviceCgroupRules: given.DeviceCgroupRules ?? null,
    DeviceRequests: given.DeviceRequests ?? null,
    MemoryReservation: given.MemoryReservation ?? 0,
    MemorySwap: given.MemorySwap ?? 0,
    MemorySwappiness: given.MemorySwappiness ?? null,
    OomKillDisable: given.OomKillDisable ?? null,
    PidsLimit: given.PidsLimit ?? null,
    Ulimits: given.Ulimits ?? null,
    CpuCount: given.CpuCount ?? 0,
    CpuPercent: given.CpuPercent ?? 0,
    IOMaximumIOps: given.IOMaximumIOps ?? 0,
    IOMaximumBandwidth: given.IOMaximumBandwidth ?? 0,
    ...(given.Mounts && given.Mounts.length > 0 ? { Mounts: given.Mounts.map(fillMount) } : {}),
    MaskedPaths: given.MaskedPaths ?? null,
    ReadonlyPaths: given.ReadonlyPaths ?? null,
    ...(given.Init === null || given.Init === undefined ? {} : { Init: given.Init }),
  };
}

/** A mount request in the order of dockerd's JSON, without what is empty. */
function fillMount(given: MountRequest): MountRequest {
  const { Type, Source, Target, ReadOnly, Consistency, BindOptions, VolumeOptions, TmpfsOptions, ImageOptions } = given;
  return {
    Type,
    ...(Source ? { Source } : {}),
    Target: Target ?? '',
    ...(ReadOnly ? { ReadOnly } : {}),
    ...(Consistency ? { Consistency } : {}),
    ...(BindOptions ? { BindOptions } : {}),
    ...(VolumeOptions ? { VolumeOptions } : {}),
    ...(ImageOptions ? { ImageOptions } : {}),
    ...(TmpfsOptions ? { TmpfsOptions } : {}),
  };
}
