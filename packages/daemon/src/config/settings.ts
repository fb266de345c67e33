/** How a value is written, as a flag and in the file. */
export type ValueKind = 'text' | 'switch' | 'number' | 'bytes' | 'list' | 'map' | 'pools' | 'ulimits' | 'options';

export type Setting = {
  /** The flag's name. */
  readonly flag: string;
  readonly short?: string;
  /** The key in daemon.json, where it differs from the flag. */
  readonly key?: string;
  readonly kind: ValueKind;
  /** The values that can be honoured yet; all of them when missing, none when empty. */
  readonly only?: readonly string[];
  readonly help: string;
};

const notYet: readonly string[] = [];

/** Every setting of dockerd 28, by its own names, and one of ours: those that are not honoured are refused by name, never ignored. */
export const settings: readonly Setting[] = [
  {
    flag: 'add-runtime',
    key: 'runtimes',
    kind: 'map',
    only: notYet,
    help: 'Register an additional OCI compatible runtime',
  },
  {
    flag: 'allow-direct-routing',
    kind: 'switch',
    only: ['false'],
    help: 'Allow remote access to published ports on container IP addresses',
  },
  {
    flag: 'authorization-plugin',
    key: 'authorization-plugins',
    kind: 'list',
    only: notYet,
    help: 'Authorization plugins to load',
  },
  { flag: 'bip', kind: 'text', help: 'IPv4 address for the default bridge' },
  { flag: 'bip6', kind: 'text', help: 'IPv6 address for the default bridge' },
  { flag: 'bridge', short: 'b', kind: 'text', help: 'Name of the default bridge; "none" for none (default "gantry0")' },
  {
    flag: 'cdi-spec-dir',
    key: 'cdi-spec-dirs',
    kind: 'list',
    only: notYet,
    help: 'CDI specification directories to use',
  },
  { flag: 'cgroup-parent', kind: 'text', help: 'Set parent cgroup for all containers' },
  {
    flag: 'condense-after',
    kind: 'number',
    help: 'Seconds after the last transfer when compressed layers are condensed, 0 for never (default 600)',
  },
  { flag: 'config-file', kind: 'text', help: 'Daemon configuration file (default "/etc/gantry/daemon.json")' },
  { flag: 'containerd', kind: 'text', only: notYet, help: 'containerd grpc address' },
  { flag: 'containerd-namespace', kind: 'text', only: notYet, help: 'Containerd namespace to use' },
  { flag: 'containerd-plugins-namespace', kind: 'text', only: notYet, help: 'Containerd namespace to use for plugins' },
  {
    flag: 'cpu-rt-period',
    kind: 'number',
    only: ['0'],
    help: 'Limit the CPU real-time period in microseconds for the parent cgroup',
  },
  {
    flag: 'cpu-rt-runtime',
    kind: 'number',
    only: ['0'],
    help: 'Limit the CPU real-time runtime in microseconds for the parent cgroup',
  },
  { flag: 'cri-containerd', kind: 'switch', only: ['false'], help: 'start containerd with cri' },
  { flag: 'data-root', kind: 'text', help: 'Root directory of persistent state (default "/var/lib/gantry")' },
  { flag: 'debug', short: 'D', kind: 'switch', help: 'Enable debug mode' },
  {
    flag: 'default-address-pool',
    key: 'default-address-pools',
    kind: 'pools',
    help: 'Default address pools for node specific local networks',
  },
  {
    flag: 'default-cgroupns-mode',
    kind: 'text',
    help: 'Default mode for containers cgroup namespace ("host" | "private")',
  },
  {
    flag: 'default-gateway',
    kind: 'text',
    help: 'Default gateway IPv4 address for the default bridge network',
  },
  {
    flag: 'default-gateway-v6',
    kind: 'text',
    help: 'Default gateway IPv6 address for the default bridge network',
  },
  {
    flag: 'default-ipc-mode',
    kind: 'text',
    help: 'Default mode for containers ipc ("shareable" | "private") (default "private")',
  },
  {
    flag: 'default-network-opt',
    key: 'default-network-opts',
    kind: 'options',
    help: 'Default network options',
  },
  { flag: 'default-runtime', kind: 'text', only: ['runc', 'gantry'], help: 'Default OCI runtime for containers' },
  { flag: 'default-shm-size', kind: 'bytes', help: 'Default shm size for containers (default 64MiB)' },
  { flag: 'default-ulimit', key: 'default-ulimits', kind: 'ulimits', help: 'Default ulimits for containers' },
  { flag: 'dns', kind: 'list', help: 'DNS server to use' },
  { flag: 'dns-opt', key: 'dns-opts', kind: 'list', help: 'DNS options to use' },
  { flag: 'dns-search', kind: 'list', help: 'DNS search domains to use' },
  {
    flag: 'exec-opt',
    key: 'exec-opts',
    kind: 'list',
    only: ['native.cgroupdriver=cgroupfs'],
    help: 'Runtime execution options',
  },
  { flag: 'exec-root', kind: 'text', help: 'Root directory for execution state files (default "/run/gantry")' },
  { flag: 'experimental', kind: 'switch', only: ['false'], help: 'Enable experimental features' },
  { flag: 'feature', key: 'features', kind: 'map', only: ['buildkit=true'], help: 'Enable feature in the daemon' },
  { flag: 'fixed-cidr', kind: 'text', help: 'IPv4 subnet for the default bridge network' },
  { flag: 'fixed-cidr-v6', kind: 'text', help: 'IPv6 subnet for the default bridge network' },
  { flag: 'group', short: 'G', kind: 'text', help: 'Group for the unix socket (default "docker", where it exists)' },
  {
    flag: 'host',
    short: 'H',
    key: 'hosts',
    kind: 'list',
    help: 'Daemon socket(s) to connect to (default unix:///run/gantry.sock)',
  },
  {
    flag: 'host-gateway-ip',
    key: 'host-gateway-ips',
    kind: 'list',
    help: "IP addresses that the special 'host-gateway' string in --add-host resolves to",
  },
  { flag: 'http-proxy', kind: 'text', help: 'HTTP proxy URL to use for outgoing traffic' },
  { flag: 'https-proxy', kind: 'text', help: 'HTTPS proxy URL to use for outgoing traffic' },
  {
    flag: 'icc',
    kind: 'switch',
    help: 'Enable inter-container communication for the default bridge network (default true)',
  },
  { flag: 'init', kind: 'switch', help: 'Run an init in the container to forward signals and reap processes' },
  { flag: 'init-path', kind: 'text', help: 'Path to another init' },
  {
    flag: 'insecure-registry',
    key: 'insecure-registries',
    kind: 'list',
    help: 'Enable insecure registry communication',
  },
  { flag: 'ip', kind: 'text', help: 'Host IP for port publishing from the default bridge network' },
  { flag: 'ip-forward', kind: 'switch', help: 'Enable IP forwarding in system configuration (default true)' },
  {
    flag: 'ip-forward-no-drop',
    kind: 'switch',
    help: 'Where the daemon turns IP forwarding on: forward for everybody, not for bridges only',
  },
  {
    flag: 'ip-masq',
    kind: 'switch',
    help: 'Enable IP masquerading for the default bridge network (default true)',
  },
  { flag: 'ip6tables', kind: 'switch', help: 'Enable addition of IPv6 firewall rules (default true)' },
  { flag: 'iptables', kind: 'switch', help: 'Enable addition of firewall rules (default true)' },
  { flag: 'ipv6', kind: 'switch', help: 'Enable IPv6 networking for the default bridge network' },
  { flag: 'label', key: 'labels', kind: 'list', help: 'Set key=value labels to the daemon' },
  { flag: 'live-restore', kind: 'switch', help: 'Containers outlive the daemon (default true)' },
  { flag: 'log-driver', kind: 'text', help: 'Default driver for container logs (default "json-file")' },
  { flag: 'log-format', kind: 'text', help: 'Set the logging format ("text"|"json") (default "text")' },
  {
    flag: 'log-level',
    short: 'l',
    kind: 'text',
    help: 'Set the logging level ("debug"|"info"|"warn"|"error"|"fatal") (default "info")',
  },
  { flag: 'log-opt', key: 'log-opts', kind: 'map', help: 'Default log driver options for containers' },
  { flag: 'max-concurrent-downloads', kind: 'number', help: 'Set the max concurrent downloads (default 3)' },
  { flag: 'max-concurrent-uploads', kind: 'number', help: 'Set the max concurrent uploads (default 5)' },
  { flag: 'max-download-attempts', kind: 'number', help: 'Set the max download attempts for each pull (default 5)' },
  {
    flag: 'metrics-addr',
    kind: 'text',
    only: notYet,
    help: 'Set default address and port to serve the metrics api on',
  },
  {
    flag: 'mtu',
    kind: 'number',
    help: 'Set the MTU for the default "bridge" network (default 1500)',
  },
  {
    flag: 'network-control-plane-mtu',
    kind: 'number',
    only: ['1500'],
    help: 'Network Control plane MTU (default 1500)',
  },
  { flag: 'no-new-privileges', kind: 'switch', help: 'Set no-new-privileges by default for new containers' },
  {
    flag: 'no-proxy',
    kind: 'text',
    help: 'Comma-separated list of hosts or IP addresses for which the proxy is skipped',
  },
  {
    flag: 'node-generic-resource',
    key: 'node-generic-resources',
    kind: 'list',
    only: notYet,
    help: 'Advertise user-defined resource',
  },
  { flag: 'pidfile', short: 'p', kind: 'text', help: 'Path to use for daemon PID file (default "/run/gantry.pid")' },
  {
    flag: 'published-ports-obey-input',
    kind: 'switch',
    help: "Connections to published ports pass the host's input rules; they are relayed, and the callers' addresses are lost",
  },
  { flag: 'raw-logs', kind: 'switch', help: 'Full timestamps without ANSI coloring' },
  { flag: 'registry-mirror', key: 'registry-mirrors', kind: 'list', help: 'Preferred registry mirror' },
  { flag: 'rootless', kind: 'switch', only: ['false'], help: 'Enable rootless mode' },
  {
    flag: 'seccomp-profile',
    kind: 'text',
    help: 'Path to seccomp profile, "unconfined" or "builtin" (default "builtin")',
  },
  { flag: 'selinux-enabled', kind: 'switch', only: ['false'], help: 'Enable selinux support' },
  { flag: 'shutdown-timeout', kind: 'number', help: 'Set the default shutdown timeout (default 15)' },
  { flag: 'storage-driver', short: 's', kind: 'text', help: 'Storage driver to use' },
  { flag: 'storage-opt', key: 'storage-opts', kind: 'list', only: notYet, help: 'Storage driver options' },
  {
    flag: 'swarm-default-advertise-addr',
    kind: 'text',
    only: [''],
    help: 'Set default address or interface for swarm advertised address',
  },
  { flag: 'tls', kind: 'switch', help: 'Use TLS; implied by --tlsverify' },
  { flag: 'tlscacert', kind: 'text', help: 'Trust certs signed only by this CA' },
  { flag: 'tlscert', kind: 'text', help: 'Path to TLS certificate file' },
  { flag: 'tlskey', kind: 'text', help: 'Path to TLS key file' },
  { flag: 'tlsverify', kind: 'switch', help: 'Use TLS and verify the remote' },
  { flag: 'userland-proxy', kind: 'switch', help: 'Has no effect: the shim holds and serves loopback ports' },
  { flag: 'userland-proxy-path', kind: 'text', only: notYet, help: 'Path to the userland proxy binary' },
  { flag: 'userns-remap', kind: 'text', only: [''], help: 'User/Group setting for user namespaces' },
];

/** The key of a setting in daemon.json. */
export function keyOf({ flag, key }: Setting): string {
  return key ?? flag;
}
