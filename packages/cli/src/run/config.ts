import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ContainerCreateBody, DeviceRequest, Healthcheck, MountRequest } from '@gantry/client';
import { ExitError } from '../errors.ts';
import { isTrue } from '../flags/flag.ts';
import type { Values } from '../flags/parse.ts';
import { parseBytes, parseDuration } from '../render/units.ts';
import { environment, labels, pairs } from './environment.ts';
import { parseDevice, parseThrottle, parseUlimit, parseWeight } from './limits.ts';
import { parseMount } from './mount.ts';
import { networking } from './network.ts';
import { parseExpose, parsePublish } from './publish.ts';
import { parseRestartPolicy } from './restart.ts';

/** A list as Go's client sends it: null when nothing was given. */
const orNull = (items: readonly string[]): string[] | null => (items.length === 0 ? null : [...items]);

/**
 * What `create` asks of the engine, from the flags and the arguments IMAGE [COMMAND] [ARG...].
 * @param detached stands apart from the terminal: nothing is attached
 * @throws ExitError 125 with Docker's wording
 */
export function containerConfig(
  values: Values,
  detached: boolean,
  consoleSize: readonly [number, number],
): ContainerCreateBody {
  try {
    return config(values, detached, consoleSize);
  } catch (error) {
    if (error instanceof ExitError) throw error;
    throw new ExitError(125, error instanceof Error ? error.message : String(error));
  }
}

function config(values: Values, detached: boolean, consoleSize: readonly [number, number]): ContainerCreateBody {
  const [image = '', ...command] = values.args;
  const text = (name: string) => values.text(name) ?? '';
  const number = (name: string) => values.number(name) ?? 0;
  const bytes = (name: string) => (values.changed(name) ? sizeOf(text(name)) : 0);
  const streams = values.list('attach').map(stream => stream.toLowerCase());
  const all = streams.length === 0;
  const stdin = values.on('interactive');
  if (detached && !all)
    throw new ExitError(1, 'conflicting options: cannot specify both --attach and --detach', { plain: true });
  const attachStdin = !detached && (streams.includes('stdin') || (stdin && all));
  const published = parsePublish(values.list('publish'));
  const exposed = { ...published.exposed, ...parseExpose(values.list('expose')) };
  const mounts = values.list('mount').map(parseMount);
  const { binds, volumes } = splitVolumes(values.list('volume'));
  const endpoints = networking(values);
  const healthcheck = healthConfig(values);
  const security = securityOptions(values.list('security-opt'));
  const tmpfs = Object.fromEntries(
    values.list('tmpfs').map(entry => {
      const colon = entry.indexOf(':');
      return colon < 0 ? [entry, ''] : [entry.slice(0, colon), entry.slice(colon + 1)];
    }),
  );
  const swappiness = values.number('memory-swappiness') ?? -1;
  if (swappiness < -1 || swappiness > 100) {
    throw new ExitError(125, `invalid value: ${swappiness}. Valid memory swappiness range is 0-100`);
  }
  const devices = values.list('device');
  const cdi = devices.filter(device => /^[a-zA-Z][\w.-]*\/[\w.-]+=.+$/.test(device));
  const requests: DeviceRequest[] = [
    ...(values.changed('gpus') ? [gpuRequest(text('gpus'))] : []),
    ...(cdi.length > 0 ? [{ Driver: 'cdi', Count: 0, DeviceIDs: cdi, Capabilities: null, Options: null }] : []),
  ];

  return {
    Hostname: text('hostname'),
    Domainname: text('domainname'),
    User: text('user'),
    AttachStdin: attachStdin,
    AttachStdout: !detached && (all || streams.includes('stdout')),
    AttachStderr: !detached && (all || streams.includes('stderr')),
    ...(Object.keys(exposed).length > 0 ? { ExposedPorts: exposed } : {}),
    Tty: values.on('tty'),
    OpenStdin: stdin,
    StdinOnce: stdin && attachStdin,
    Env: orNull(environment(values.list('env-file'), values.list('env'), process.env)),
    Cmd: orNull(command),
    ...(healthcheck ? { Healthcheck: healthcheck } : {}),
    Image: image,
    Volumes: volumes,
    WorkingDir: text('workdir'),
    Entrypoint: values.changed('entrypoint') ? [text('entrypoint')] : null,
    OnBuild: null,
    Labels: labels(values.list('label-file'), values.list('label')),
    ...(values.changed('stop-signal') ? { StopSignal: text('stop-signal') } : {}),
    ...(values.changed('stop-timeout') ? { StopTimeout: number('stop-timeout') } : {}),
    HostConfig: {
      Binds: orNull(binds),
      ContainerIDFile: text('cidfile'),
      LogConfig: { Type: text('log-driver'), Config: logOptions(text('log-driver'), values.list('log-opt')) },
      NetworkMode: endpoints.mode,
      PortBindings: published.bindings,
      RestartPolicy: parseRestartPolicy(text('restart')),
      AutoRemove: values.on('rm'),
      VolumeDriver: text('volume-driver'),
      VolumesFrom: orNull(values.list('volumes-from')),
      ConsoleSize: [consoleSize[0], consoleSize[1]],
      ...(values.changed('annotation') ? { Annotations: pairs(values.list('annotation')) } : {}),
      CapAdd: orNull(values.list('cap-add').map(capability)),
      CapDrop: orNull(values.list('cap-drop').map(capability)),
      CgroupnsMode: oneOf('cgroupns', text('cgroupns'), ['', 'host', 'private'], '--cgroupns: invalid CGROUP mode'),
      Dns: [...values.list('dns')],
      DnsOptions: [...values.list('dns-option'), ...values.list('dns-opt')],
      DnsSearch: [...values.list('dns-search')],
      ExtraHosts: orNull(values.list('add-host').map(entry => entry.replace(/^([^:=]+)=/, '$1:'))),
      GroupAdd: orNull(values.list('group-add')),
      IpcMode: text('ipc'),
      Cgroup: '',
      Links: orNull(endpoints.links),
      OomScoreAdj: number('oom-score-adj'),
      PidMode: pidMode(text('pid')),
      Privileged: values.on('privileged'),
      PublishAllPorts: values.on('publish-all'),
      ReadonlyRootfs: values.on('read-only'),
      SecurityOpt: orNull(security.options),
      ...(values.changed('storage-opt') ? { StorageOpt: pairs(values.list('storage-opt')) } : {}),
      ...(values.changed('tmpfs') ? { Tmpfs: tmpfs } : {}),
      UTSMode: oneOf('uts', text('uts'), ['', 'host'], '--uts: invalid UTS mode'),
      UsernsMode: oneOf('userns', text('userns'), ['', 'host'], '--userns: invalid USER mode'),
      ShmSize: bytes('shm-size'),
      ...(values.changed('sysctl') ? { Sysctls: pairs(values.list('sysctl')) } : {}),
      ...(values.changed('runtime') ? { Runtime: text('runtime') } : {}),
      Isolation: text('isolation'),
      CpuShares: number('cpu-shares'),
      Memory: bytes('memory'),
      NanoCpus: values.changed('cpus') ? Math.round(number('cpus') * 1e9) : 0,
      CgroupParent: text('cgroup-parent'),
      BlkioWeight: number('blkio-weight'),
      BlkioWeightDevice: values.list('blkio-weight-device').map(parseWeight),
      BlkioDeviceReadBps: values.list('device-read-bps').map(entry => parseThrottle(entry, 'bytes')),
      BlkioDeviceWriteBps: values.list('device-write-bps').map(entry => parseThrottle(entry, 'bytes')),
      BlkioDeviceReadIOps: values.list('device-read-iops').map(entry => parseThrottle(entry, 'operations')),
      BlkioDeviceWriteIOps: values.list('device-write-iops').map(entry => parseThrottle(entry, 'operations')),
      CpuPeriod: number('cpu-period'),
      CpuQuota: number('cpu-quota'),
      CpuRealtimePeriod: number('cpu-rt-period'),
      CpuRealtimeRuntime: number('cpu-rt-runtime'),
      CpusetCpus: text('cpuset-cpus'),
      CpusetMems: text('cpuset-mems'),
      Devices: devices.filter(device => !cdi.includes(device)).map(parseDevice),
      DeviceCgroupRules: orNull(values.list('device-cgroup-rule')),
      DeviceRequests: requests.length > 0 ? requests : null,
      MemoryReservation: bytes('memory-reservation'),
      MemorySwap: text('memory-swap') === '-1' ? -1 : bytes('memory-swap'),
      MemorySwappiness: swappiness,
      OomKillDisable: values.on('oom-kill-disable'),
      PidsLimit: number('pids-limit'),
      Ulimits: values.list('ulimit').map(parseUlimit),
      CpuCount: number('cpu-count'),
      CpuPercent: number('cpu-percent'),
      IOMaximumIOps: number('io-maxiops'),
      IOMaximumBandwidth: bytes('io-maxbandwidth'),
      ...(mounts.length > 0 ? { Mounts: mounts as MountRequest[] } : {}),
      MaskedPaths: security.unmasked ? [] : null,
      ReadonlyPaths: security.unmasked ? [] : null,
      ...(values.changed('init') ? { Init: isTrue(text('init')) } : {}),
    },
    NetworkingConfig: { EndpointsConfig: endpoints.config },
  };
}

function sizeOf(text: string): number {
  return text === '-1' ? -1 : parseBytes(text);
}

function oneOf(_name: string, value: string, allowed: readonly string[], message: string): string {
  if (!allowed.includes(value)) throw new ExitError(125, message);
  return value;
}

function pidMode(text: string): string {
  if (text !== '' && text !== 'host' && !/^container:./.test(text)) throw new ExitError(125, '--pid: invalid PID mode');
  return text;
}

/** `SOURCE:TARGET[:OPTIONS]` are binds, a path alone is a volume without a name. */
function splitVolumes(texts: readonly string[]): {
  readonly binds: string[];
  readonly volumes: Record<string, Record<string, never>>;
} {
  const binds: string[] = [];
  const volumes: Record<string, Record<string, never>> = {};
  for (const text of texts) {
    if (text === '') throw new ExitError(125, 'invalid empty volume spec');
    const colon = text.indexOf(':');
    const parts = sections(text);
    // Up to two characters are a path, whatever they are.
    if (text.length <= 2 ? !text.includes(':') : parts.length === 1) volumes[text] = {};
    else if (text.length > 2 && parts.includes('')) {
      throw new ExitError(125, `invalid spec: ${text}: empty section between colons`);
    } else if (parts.length > 3) throw new ExitError(125, `invalid spec: ${text}: too many colons`);
    else binds.push(text.startsWith('.') ? resolve(text.slice(0, colon)) + text.slice(colon) : text);
  }
  return { binds: [...new Set(binds)], volumes };
}

/** What colons part; one after a single letter belongs to a Windows drive. */
function sections(text: string): string[] {
  const parts: string[] = [];
  let part = '';
  for (const char of text) {
    if (char !== ':' || /^\p{L}$/u.test(part)) part += char;
    else {
      parts.push(part);
      part = '';
    }
  }
  return [...parts, part];
}

function logOptions(driver: string, options: readonly string[]): Record<string, string> {
  if (driver === 'none' && options.length > 0) throw new ExitError(125, `invalid logging opts for driver ${driver}`);
  return pairs(options);
}

function securityOptions(texts: readonly string[]): { readonly options: string[]; readonly unmasked: boolean } {
  const options: string[] = [];
  let unmasked = false;
  for (const text of texts) {
    const separator = /[=:]/.exec(text)?.index ?? -1;
    const name = separator < 0 ? text : text.slice(0, separator);
    const value = separator < 0 ? '' : text.slice(separator + 1);
    if (separator < 0 && name !== 'no-new-privileges')
      throw new ExitError(125, `Invalid --security-opt: ${JSON.stringify(text)}`);
    if (name === 'systempaths' && value === 'unconfined') unmasked = true;
    else if (name === 'seccomp' && value !== 'unconfined' && value !== 'builtin')
      options.push(`seccomp=${seccompProfile(value)}`);
    else options.push(text);
  }
  return { options, unmasked };
}

/** The engine may be elsewhere: it is sent the profile, not its path. */
function seccompProfile(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw new ExitError(125, `opening seccomp profile (${path}) failed: open ${path}: no such file or directory`);
  }
  try {
    return JSON.stringify(JSON.parse(text));
  } catch (error) {
    throw new ExitError(
      125,
      `compacting json for seccomp profile (${path}) failed: ${error instanceof Error ? error.message : error}`,
    );
  }
}

/** `net_admin` as the engine has it: `CAP_NET_ADMIN`. */
function capability(text: string): string {
  const name = text.trim().toUpperCase();
  return name === 'ALL' || name === 'RESET' || name.startsWith('CAP_') ? name : `CAP_${name}`;
}

function gpuRequest(text: string): DeviceRequest {
  const count = text === 'all' ? -1 : Number(/^(?:count=)?(\d+)$/.exec(text)?.[1] ?? Number.NaN);
  const ids = /^"?device=([^"]+)"?$/.exec(text)?.[1]?.split(',');
  if (!ids && Number.isNaN(count))
    throw new ExitError(125, `invalid argument ${JSON.stringify(text)} for "--gpus" flag`);
  return { Driver: '', Count: ids ? 0 : count, DeviceIDs: ids ?? null, Capabilities: [['gpu']], Options: {} };
}

function healthConfig(values: Values): Healthcheck | undefined {
  const nanoseconds = (name: string) => {
    const duration = parseDuration(values.text(name) ?? '0') ?? 0;
    if (duration < 0) throw new ExitError(125, `--${name} cannot be negative`);
    return duration;
  };
  const command = values.text('health-cmd') ?? '';
  const rest = {
    Interval: nanoseconds('health-interval'),
    Timeout: nanoseconds('health-timeout'),
    StartPeriod: nanoseconds('health-start-period'),
    StartInterval: nanoseconds('health-start-interval'),
    Retries: values.number('health-retries') ?? 0,
  };
  if (rest.Retries < 0) throw new ExitError(125, '--health-retries cannot be negative');
  const any = command !== '' || Object.values(rest).some(value => value !== 0);
  if (values.on('no-healthcheck')) {
    if (any) throw new ExitError(125, '--no-healthcheck conflicts with --health-* options');
    return { Test: ['NONE'] };
  }
  if (!any) return undefined;
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== 0));
  return { ...(command === '' ? {} : { Test: ['CMD-SHELL', command] }), ...given };
}
