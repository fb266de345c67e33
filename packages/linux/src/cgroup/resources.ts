/** What a cgroup limits; the shape of OCI's linux.resources. A field that is absent or 0 is not set, -1 is no limit. */
export type CgroupResources = {
  readonly devices?: readonly DeviceRule[];
  readonly memory?: {
    readonly limit?: number;
    readonly reservation?: number;
    /** Memory and swap together, in bytes. */
    readonly swap?: number;
    readonly swappiness?: number;
    readonly disableOOMKiller?: boolean;
  };
  readonly cpu?: {
    readonly shares?: number;
    readonly quota?: number;
    readonly period?: number;
    readonly realtimeRuntime?: number;
    readonly realtimePeriod?: number;
    readonly cpus?: string;
    readonly mems?: string;
  };
  readonly pids?: { readonly limit: number };
  readonly blockIO?: {
    readonly weight?: number;
    readonly weightDevice?: readonly { readonly major: number; readonly minor: number; readonly weight: number }[];
    readonly throttleReadBpsDevice?: readonly ThrottleRule[];
    readonly throttleWriteBpsDevice?: readonly ThrottleRule[];
    readonly throttleReadIOPSDevice?: readonly ThrottleRule[];
    readonly throttleWriteIOPSDevice?: readonly ThrottleRule[];
  };
};

export type DeviceRule = {
  readonly allow: boolean;
  /** `a`, the default, is every device whatever its numbers. */
  readonly type?: 'a' | 'b' | 'c';
  /** Absent or -1 for all. */
  readonly major?: number;
  readonly minor?: number;
  /** Some of `rwm`; absent for all three. */
  readonly access?: string;
};

export type ThrottleRule = { readonly major: number; readonly minor: number; readonly rate: number };

/**
 * One write to a control file of a cgroup, by the file's name in the cgroup's directory. An `optional` one says what
 * holds anyway where the kernel has no such file.
 */
export type ControlWrite = { readonly file: string; readonly data: string; readonly optional?: boolean };

/** One write to a control file, by its absolute path. */
export type CgroupWrite = { readonly path: string; readonly data: string; readonly optional?: boolean };

/** The number as control files take it: -1 is `max` in version 2. */
export function orMax(value: number): string {
  return value < 0 ? 'max' : String(value);
}
