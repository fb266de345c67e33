import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import type { DefaultBridgeOptions } from '@gantry/network';
import type { Given } from './command-line.ts';
import { readConfigFile } from './config-file.ts';
import { checkMirror } from './registry-mirror.ts';
import { settings } from './settings.ts';
import { type AddressPool, ConfigError, checkHonoured, fromFlags, type Ulimit, type Value } from './values.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** The daemon's settings, complete. */
export type DaemonConfig = {
  readonly configFile: string;
  readonly hosts: readonly string[];
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly pidfile: string;
  readonly group: string | undefined;
  readonly debug: boolean;
  readonly logLevel: LogLevel;
  readonly logFormat: 'text' | 'json';
  readonly bridge: string;
  readonly bip: string | undefined;
  readonly defaultBridge: Omit<DefaultBridgeOptions, 'icc' | 'masquerade' | 'hostBinding'>;
  readonly defaultNetworkOptions: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly iptables: boolean;
  readonly ipForward: boolean;
  readonly ipForwardNoDrop: boolean;
  readonly icc: boolean;
  readonly ipMasquerade: boolean;
  /** Where ports of the default bridge are published that name no address. */
  readonly publishAddress: string;
  readonly publishedPortsObeyInput: boolean;
  readonly defaultAddressPools: readonly AddressPool[];
  readonly dns: readonly string[];
  readonly dnsOptions: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly hostGatewayIps: readonly string[];
  readonly init: boolean;
  readonly initPath: string | undefined;
  readonly cgroupParent: string;
  readonly defaultCgroupnsMode: 'host' | 'private' | undefined;
  readonly defaultIpcMode: 'private' | 'shareable';
  readonly shmSizeBytes: number;
  readonly ulimits: readonly Ulimit[];
  readonly noNewPrivileges: boolean;
  /** `builtin`, `unconfined`, or the text of a profile. */
  readonly seccompProfile: string;
  readonly storageDriver: string | undefined;
  readonly logDriver: string;
  readonly logOptions: Readonly<Record<string, string>>;
  readonly labels: readonly string[];
  readonly liveRestore: boolean;
  readonly shutdownTimeoutSeconds: number;
  readonly insecureRegistries: readonly string[];
  readonly registryMirrors: readonly string[];
  readonly condenseAfterSeconds: number;
  readonly maxConcurrentDownloads: number;
  readonly maxConcurrentUploads: number;
  readonly maxDownloadAttempts: number;
  readonly httpProxy: string;
  readonly httpsProxy: string;
  readonly noProxy: string;
  readonly tls: { readonly enabled: boolean; readonly verify: boolean; ca: string; cert: string; key: string };
};

/** What SIGHUP reads again. */
export const reloadable = [
  'debug',
  'logLevel',
  'labels',
  'liveRestore',
  'shutdownTimeoutSeconds',
  'insecureRegistries',
  'registryMirrors',
  'maxConcurrentDownloads',
  'maxDownloadAttempts',
] as const satisfies readonly (keyof DaemonConfig)[];

const defaultExecRoot = '/run/gantry';
const defaultConfigFile = '/etc/gantry/daemon.json';

/**
 * Puts the command line and daemon.json together.
 * @throws ConfigError for values that are wrong, given twice, or cannot be honoured
 */
export function loadConfig(given: Given): DaemonConfig {
  const configFile = given.get('config-file')?.at(-1) ?? defaultConfigFile;
  const values = new Map(readConfigFile(configFile, given.has('config-file'), given));
  for (const setting of settings) {
    const texts = given.get(setting.flag);
    if (texts) values.set(setting.flag, fromFlags(setting, texts));
    const value = values.get(setting.flag);
    if (value !== undefined) checkHonoured(setting, value);
  }
  return complete(configFile, values);
}

function complete(configFile: string, values: ReadonlyMap<string, Value>): DaemonConfig {
  // The kinds of the settings table make each value what its reader says.
  const get = <T extends Value>(flag: string): T | undefined => values.get(flag) as T | undefined;
  const text = (flag: string, missing: string): string => get<string>(flag) ?? missing;
  const texts = (flag: string): readonly string[] => get<readonly string[]>(flag) ?? [];
  const on = (flag: string, missing: boolean): boolean => get<boolean>(flag) ?? missing;
  const count = (flag: string, missing: number): number => get<number>(flag) ?? missing;
  const execRoot = resolve(text('exec-root', defaultExecRoot));
  const dataRoot = resolve(text('data-root', '/var/lib/gantry'));
  const verify = on('tlsverify', false);
  const certificates = join(process.env.HOME ?? '/root', '.docker');
  return {
    configFile,
    hosts: texts('host').length > 0 ? texts('host') : ['unix:///run/gantry.sock'],
    dataRoot,
    execRoot,
    // Daemons with roots of their own can run side by side without naming their pid files too.
    pidfile: resolve(text('pidfile', execRoot === defaultExecRoot ? '/run/gantry.pid' : join(execRoot, 'gantry.pid'))),
    group: get<string>('group'),
    debug: on('debug', false),
    logLevel: oneOf('log-level', text('log-level', 'info'), ['debug', 'info', 'warn', 'error', 'fatal']),
    logFormat: oneOf('log-format', text('log-format', 'text'), ['text', 'json']),
    bridge: text('bridge', 'gantry0'),
    bip: get<string>('bip') || undefined,
    defaultBridge: {
      ipv6: on('ipv6', false),
      mtu: atLeast('MTU', count('mtu', 0), 0),
      ...given('fixedCidr', get<string>('fixed-cidr')),
      ...given('fixedCidr6', get<string>('fixed-cidr-v6')),
      ...given('bip6', get<string>('bip6')),
      ...given('defaultGateway', get<string>('default-gateway')),
      ...given('defaultGateway6', get<string>('default-gateway-v6')),
    },
    defaultNetworkOptions: get('default-network-opt') ?? {},
    iptables: on('iptables', true),
    ipForward: on('ip-forward', true),
    ipForwardNoDrop: on('ip-forward-no-drop', false),
    icc: on('icc', true),
    ipMasquerade: on('ip-masq', true),
    publishAddress: ipAddress('ip', text('ip', '0.0.0.0')),
    publishedPortsObeyInput: on('published-ports-obey-input', false),
    defaultAddressPools: get<readonly AddressPool[]>('default-address-pool') ?? [],
    dns: texts('dns'),
    dnsOptions: texts('dns-opt'),
    dnsSearch: texts('dns-search'),
    hostGatewayIps: texts('host-gateway-ip'),
    init: on('init', false),
    initPath: get<string>('init-path') || undefined,
    cgroupParent: text('cgroup-parent', ''),
    defaultCgroupnsMode: get('default-cgroupns-mode')
      ? oneOf('default-cgroupns-mode', text('default-cgroupns-mode', ''), ['host', 'private'])
      : undefined,
    defaultIpcMode: oneOf('default-ipc-mode', text('default-ipc-mode', 'private'), ['private', 'shareable']),
    shmSizeBytes: count('default-shm-size', 64 * 2 ** 20),
    ulimits: get<readonly Ulimit[]>('default-ulimit') ?? [],
    noNewPrivileges: on('no-new-privileges', false),
    seccompProfile: seccompProfile(text('seccomp-profile', '')),
    storageDriver: get<string>('storage-driver') || undefined,
    logDriver: text('log-driver', 'json-file'),
    logOptions: get<Readonly<Record<string, string>>>('log-opt') ?? {},
    labels: checkLabels(texts('label')),
    liveRestore: on('live-restore', true),
    shutdownTimeoutSeconds: count('shutdown-timeout', 15),
    insecureRegistries: texts('insecure-registry'),
    registryMirrors: texts('registry-mirror').map(checkMirror),
    condenseAfterSeconds: count('condense-after', 600),
    maxConcurrentDownloads: atLeast('max concurrent downloads', count('max-concurrent-downloads', 3), 1),
    maxConcurrentUploads: atLeast('max concurrent uploads', count('max-concurrent-uploads', 5), 1),
    maxDownloadAttempts: atLeast('max download attempts', count('max-download-attempts', 5), 1),
    httpProxy: text('http-proxy', process.env.HTTP_PROXY ?? process.env.http_proxy ?? ''),
    httpsProxy: text('https-proxy', process.env.HTTPS_PROXY ?? process.env.https_proxy ?? ''),
    noProxy: text('no-proxy', process.env.NO_PROXY ?? process.env.no_proxy ?? ''),
    tls: {
      enabled: on('tls', false) || verify,
      verify,
      ca: text('tlscacert', join(certificates, 'ca.pem')),
      cert: text('tlscert', join(certificates, 'cert.pem')),
      key: text('tlskey', join(certificates, 'key.pem')),
    },
  };
}

/** A property for a text that is there and not empty. */
function given<const K extends string>(key: K, value: string | undefined): { readonly [key in K]?: string } {
  return value ? ({ [key]: value } as { readonly [key in K]: string }) : {};
}

function oneOf<const T extends string>(flag: string, value: string, choices: readonly T[]): T {
  const choice = choices.find(candidate => candidate === value);
  if (choice === undefined) {
    throw new ConfigError(`invalid ${flag}: ${JSON.stringify(value)} (must be one of ${choices.join(', ')})`);
  }
  return choice;
}

function ipAddress(flag: string, value: string): string {
  if (isIP(value) === 0) {
    throw new ConfigError(`invalid argument ${JSON.stringify(value)} for "--${flag}" flag: invalid IP address`);
  }
  return value;
}

function atLeast(what: string, value: number, least: number): number {
  if (value < least) throw new ConfigError(`invalid ${what}: ${value}`);
  return value;
}

function checkLabels(labels: readonly string[]): readonly string[] {
  for (const label of labels) {
    if (!/^[^=]+=.+$/s.test(label)) throw new ConfigError(`bad attribute format: ${label}`);
  }
  return labels;
}

function seccompProfile(path: string): string {
  if (path === '' || path === 'builtin') return 'builtin';
  if (path === 'unconfined') return path;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(`opening seccomp profile (${path}) failed: ${(error as Error).message}`);
  }
}
