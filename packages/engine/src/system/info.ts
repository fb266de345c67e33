import { readdirSync, readFileSync } from 'node:fs';
import { arch, release, totalmem } from 'node:os';
import type { EngineContext } from '../context.ts';
import { nowNs, rfc3339Nano } from '../time.ts';

const MACHINES: Record<string, string> = { x64: 'x86_64', arm64: 'aarch64' };

/** The answer of GET /info, with every key that dockerd 28.5 has; those of containerd and swarm are empty. */
export async function engineInfo(context: EngineContext): Promise<Record<string, unknown>> {
  const { options } = context;
  const { defaults, daemon, images } = options;
  const { kernel } = defaults;
  const states = countStates(context);
  return {
    ID: daemon.id,
    Containers: context.containers.size,
    ContainersRunning: states.running,
    ContainersPaused: states.paused,
    ContainersStopped: context.containers.size - states.running - states.paused,
    Images: images.list().length,
    Driver: images.driver,
    DriverStatus: images.driverStatus(),
    Plugins: {
      Volume: ['local'],
      Network: ['bridge', 'host', 'null'],
      Authorization: null,
      Log: ['json-file', 'local', 'none'],
    },
    MemoryLimit: kernel.memoryLimit,
    SwapLimit: kernel.swapLimit,
    ...(kernel.cgroupVersion === 1 ? { KernelMemoryTCP: true } : {}),
    CpuCfsPeriod: kernel.cpuCfs,
    CpuCfsQuota: kernel.cpuCfs,
    CPUShares: kernel.cpuShares,
    CPUSet: kernel.cpuset,
    PidsLimit: kernel.pidsLimit,
    IPv4Forwarding: readFile('/proc/sys/net/ipv4/ip_forward') === '1',
    Debug: daemon.debug,
    NFd: openDescriptors(),
    OomKillDisable: kernel.oomKillDisable,
    // What Node has instead of goroutines.
    NGoroutines: process.getActiveResourcesInfo().length,
    SystemTime: rfc3339Nano(nowNs()),
    LoggingDriver: defaults.logDriver,
    CgroupDriver: 'cgroupfs',
    CgroupVersion: String(kernel.cgroupVersion),
    NEventsListener: context.events.listeners,
    KernelVersion: release(),
    OperatingSystem: operatingSystem(),
    OSVersion: osRelease().VERSION_ID ?? '',
    OSType: 'linux',
    Architecture: MACHINES[arch()] ?? arch(),
    IndexServerAddress: 'https://index.docker.io/v1/',
    RegistryConfig: registryConfig(context, await images.registries.configured()),
    NCPU: kernel.cpus,
    MemTotal: totalmem(),
    GenericResources: null,
    DockerRootDir: options.dataRoot,
    HttpProxy: withoutCredentials(daemon.httpProxy),
    HttpsProxy: withoutCredentials(daemon.httpsProxy),
    NoProxy: daemon.noProxy,
    Name: defaults.hostname,
    Labels: daemon.labels,
    ExperimentalBuild: daemon.experimental,
    ServerVersion: daemon.version,
    Runtimes: Object.fromEntries(defaults.runtimes.map(name => [name, { path: name }])),
    DefaultRuntime: defaults.defaultRuntime,
    Swarm: {
      NodeID: '',
      NodeAddr: '',
      LocalNodeState: 'inactive',
      ControlAvailable: false,
      Error: '',
      RemoteManagers: null,
    },
    LiveRestoreEnabled: daemon.liveRestore,
    Isolation: '',
    InitBinary: defaults.initPath ?? 'gantry-init',
    ContainerdCommit: { ID: '' },
    RuncCommit: { ID: daemon.gitCommit },
    InitCommit: { ID: daemon.gitCommit },
    SecurityOptions: securityOptions(context),
    FirewallBackend: { Driver: daemon.firewall },
    CDISpecDirs: [],
    Warnings: daemon.warnings.length === 0 ? null : daemon.warnings,
  };
}

function countStates(context: EngineContext): { running: number; paused: number } {
  const counts = { running: 0, paused: 0 };
  for (const { status } of context.containers.all()) {
    if (status === 'running' || status === 'restarting') counts.running++;
    if (status === 'paused') counts.paused++;
  }
  return counts;
}

function securityOptions({ options: { defaults } }: EngineContext): string[] {
  const { kernel, seccompProfile } = defaults;
  const profile = seccompProfile.startsWith('{') ? 'custom' : seccompProfile;
  return [
    ...(kernel.apparmor ? ['name=apparmor'] : []),
    ...(kernel.seccomp ? [`name=seccomp,profile=${profile}`] : []),
    ...(kernel.cgroupNamespaces && defaults.cgroupnsMode === 'private' ? ['name=cgroupns'] : []),
    ...(defaults.noNewPrivileges ? ['name=no-new-privileges'] : []),
  ];
}

function registryConfig(
  { options: { daemon } }: EngineContext,
  configured: readonly { readonly name: string; readonly mirrors: readonly string[] }[],
): Record<string, unknown> {
  const isRange = (registry: string): boolean => /\/\d+$/.test(registry);
  // By a hosts.toml, which counts before the daemon's own list.
  const own = new Map(configured.map(({ name, mirrors }) => [name, mirrors]));
  const insecure = daemon.insecureRegistries.filter(name => !isRange(name));
  const hubMirrors = own.get('docker.io') ?? daemon.registryMirrors;
  const index = (name: string, secure: boolean, official: boolean): [string, unknown] => [
    name,
    { Mirrors: official ? hubMirrors : (own.get(name) ?? []), Name: name, Official: official, Secure: secure },
  ];
  return {
    IndexConfigs: Object.fromEntries([
      index('docker.io', true, true),
      ...[...own.keys()].filter(name => name !== 'docker.io').map(name => index(name, true, false)),
      ...insecure.map(name => index(name, false, false)),
    ]),
    InsecureRegistryCIDRs: ['::1/128', '127.0.0.0/8', ...daemon.insecureRegistries.filter(isRange)],
    Mirrors: hubMirrors.length === 0 ? null : hubMirrors,
  };
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

let knownRelease: Record<string, string> | undefined;

/** /etc/os-release, which does not change while the engine runs. @see os-release(5) */
function osRelease(): Record<string, string> {
  knownRelease ??= Object.fromEntries(
    (readFile('/etc/os-release') || readFile('/usr/lib/os-release'))
      .split('\n')
      .map(line => /^([A-Z_]+)=(?:"(.*)"|'(.*)'|(.*))$/.exec(line))
      .flatMap(match => (match ? [[match[1] ?? '', match[2] ?? match[3] ?? match[4] ?? '']] : [])),
  );
  return knownRelease;
}

function operatingSystem(): string {
  return osRelease().PRETTY_NAME ?? 'Linux';
}

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

/** A proxy's user and password are nobody's business. */
function withoutCredentials(url: string): string {
  return url.replace(/^(\w+:\/\/)[^@/]*@/, '$1xxxxx:xxxxx@');
}
