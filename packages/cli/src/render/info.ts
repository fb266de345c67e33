import { binarySize } from './units.ts';

type Info = Readonly<Record<string, unknown>>;

export function clientText(client: {
  readonly Version: string;
  readonly Context: string;
  readonly Debug: boolean;
}): string {
  return `Client:\n Version:    ${client.Version}\n Context:    ${client.Context}\n Debug Mode: ${client.Debug}\n`;
}

const text = (value: unknown): string => (value === undefined || value === null ? '' : String(value));
const texts = (value: unknown): string[] => (Array.isArray(value) ? value.map(text) : []);
const object = (value: unknown): Info =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Info) : {};

/** The server half of `info`, as Docker lays it out; what an engine does not report is left out. */
export function serverText(info: Info): string {
  const lines: string[] = [];
  const line = (name: string, value: unknown, indent = 1) => lines.push(`${' '.repeat(indent)}${name}: ${text(value)}`);
  const given = (name: string, value: unknown) => {
    if (text(value) !== '') line(name, value);
  };
  line('Containers', info.Containers);
  line('Running', info.ContainersRunning, 2);
  line('Paused', info.ContainersPaused, 2);
  line('Stopped', info.ContainersStopped, 2);
  line('Images', info.Images);
  given('Server Version', info.ServerVersion);
  given('Storage Driver', info.Driver);
  for (const row of Array.isArray(info.DriverStatus) ? info.DriverStatus : []) line(text(row[0]), row[1], 2);
  given('Logging Driver', info.LoggingDriver);
  given('Cgroup Driver', info.CgroupDriver);
  given('Cgroup Version', info.CgroupVersion);
  const plugins = object(info.Plugins);
  lines.push(' Plugins:');
  line('Volume', texts(plugins.Volume).join(' '), 2);
  line('Network', texts(plugins.Network).join(' '), 2);
  if (texts(plugins.Authorization).length > 0) line('Authorization', texts(plugins.Authorization).join(' '), 2);
  line('Log', texts(plugins.Log).join(' '), 2);
  section(lines, 'CDI spec directories', texts(info.CDISpecDirs));
  line('Swarm', object(info.Swarm).LocalNodeState);
  if (info.OSType === 'linux') linux(lines, line, info);
  given('Kernel Version', info.KernelVersion);
  given('Operating System', info.OperatingSystem);
  given('OSType', info.OSType);
  given('Architecture', info.Architecture);
  line('CPUs', info.NCPU);
  line('Total Memory', binarySize(Number(info.MemTotal ?? 0)));
  given('Name', info.Name);
  given('ID', info.ID);
  line('Docker Root Dir', info.DockerRootDir);
  line('Debug Mode', info.Debug);
  if (info.Debug === true) {
    line('File Descriptors', info.NFd, 2);
    line('Goroutines', info.NGoroutines, 2);
    line('System Time', info.SystemTime, 2);
    line('EventsListeners', info.NEventsListener, 2);
  }
  given('HTTP Proxy', info.HttpProxy);
  given('HTTPS Proxy', info.HttpsProxy);
  given('No Proxy', info.NoProxy);
  section(lines, 'Labels', texts(info.Labels));
  line('Experimental', info.ExperimentalBuild);
  const registry = object(info.RegistryConfig);
  const insecure = Object.values(object(registry.IndexConfigs))
    .map(object)
    .filter(index => index.Secure === false)
    .map(index => text(index.Name));
  section(lines, 'Insecure Registries', [...insecure, ...texts(registry.InsecureRegistryCIDRs)]);
  const others = Object.values(object(registry.IndexConfigs))
    .map(object)
    .filter(index => index.Official !== true)
    .flatMap(index => texts(index.Mirrors).map(mirror => `${mirror} (for ${text(index.Name)})`));
  section(lines, 'Registry Mirrors', [...texts(registry.Mirrors), ...others]);
  line('Live Restore Enabled', info.LiveRestoreEnabled);
  given('Product License', info.ProductLicense);
  return `${lines.join('\n')}\n\n`;
}

function linux(lines: string[], line: (name: string, value: unknown, indent?: number) => void, info: Info): void {
  line('Runtimes', Object.keys(object(info.Runtimes)).sort().join(' '));
  line('Default Runtime', info.DefaultRuntime);
  line('Init Binary', info.InitBinary);
  for (const [name, key] of [
    ['containerd', 'ContainerdCommit'],
    ['runc', 'RuncCommit'],
    ['init', 'InitCommit'],
  ] as const) {
    line(`${name} version`, object(info[key]).ID);
  }
  const options = texts(info.SecurityOptions);
  if (options.length === 0) return;
  lines.push(' Security Options:');
  for (const option of options) {
    const pairs = option.split(',').map(part => part.split('='));
    for (const [key, value] of pairs) {
      if (key === 'name') lines.push(`  ${value}`);
      else lines.push(`   ${(key ?? '').charAt(0).toUpperCase()}${(key ?? '').slice(1)}: ${value}`);
    }
  }
}

function section(lines: string[], title: string, items: readonly string[]): void {
  if (items.length > 0) lines.push(` ${title}:`, ...items.map(item => `  ${item}`));
}
