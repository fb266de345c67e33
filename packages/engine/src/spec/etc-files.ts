import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemError } from '@gantry/errors';
import { type NetworkAttachment, RESOLVER_ADDRESS } from '@gantry/network';
import type { Step } from '@gantry/runtime';
import type { EngineDefaults } from '../defaults.ts';
import type { HostConfig } from '../documents/index.ts';
import { isUserDefinedNetwork } from '../validate/modes.ts';
import { hostsFile } from './hosts-file.ts';
import { internalResolvConf, isSystemdStub, resolvConf } from './resolv-conf.ts';

/** Where a container keeps its hosts, hostname and resolv.conf files; the owner's when the network is shared with it. */
export type EtcFiles = { readonly hosts: string; readonly hostname: string; readonly resolvConf: string };

const RESOLV_CONF = '/etc/resolv.conf';
const SYSTEMD_RESOLV_CONF = '/run/systemd/resolve/resolv.conf';

/** Text of a small file of the host that is always in memory, undefined when it does not exist. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw systemError(`cannot read ${path}`, { cause: error });
  }
}

/** The three files of a container that has a network of its own, or the host's, and the steps of its shim that write them. */
export function etcFiles(request: {
  readonly directory: string;
  readonly hostname: string;
  readonly domainname: string;
  readonly hostConfig: HostConfig;
  readonly network: readonly NetworkAttachment[];
  /** Address and names of containers that it links to. */
  readonly linkedHosts?: readonly (readonly [address: string, names: string])[];
  readonly daemon: EngineDefaults;
}): { readonly files: EtcFiles; readonly steps: readonly Step[] } {
  const { directory } = request;
  const files = {
    hosts: join(directory, 'hosts'),
    hostname: join(directory, 'hostname'),
    resolvConf: join(directory, 'resolv.conf'),
  };
  const file = (path: string, data: string): Step => ({ op: 'createFile', path, data, mode: 0o644 });
  return {
    files,
    steps: [
      file(files.hosts, hostsText(request)),
      file(files.hostname, `${request.hostname}\n`),
      file(files.resolvConf, resolvConfText(request)),
    ],
  };
}

function hostsText(request: Parameters<typeof etcFiles>[0]): string {
  const { hostConfig, network, daemon } = request;
  const extraHosts = hostConfig.ExtraHosts ?? [];
  // A host-mode container sees the host's own names, unless it was given some that may contradict them.
  if (hostConfig.NetworkMode === 'host' && extraHosts.length === 0) return readText('/etc/hosts') ?? '';
  const addresses = network.flatMap(({ endpoint }) =>
    [endpoint.ipv4?.address, endpoint.ipv6?.address].filter(address => address !== undefined),
  );
  return hostsFile({
    hostname: request.hostname,
    domainname: request.domainname,
    addresses,
    extraHosts,
    linkedHosts: request.linkedHosts ?? [],
    hostGatewayIps: daemon.hostGatewayIps,
    ipv6: existsSync('/proc/sys/net/ipv6'),
  });
}

/** The resolv.conf of a container that asks our resolver. */
export function internalResolvConfText(hostConfig: HostConfig, daemon: EngineDefaults): string {
  const hostText = readText(RESOLV_CONF);
  const choose = (own: readonly string[] | null, all: readonly string[]): readonly string[] =>
    own && own.length > 0 ? own : all;
  return internalResolvConf({
    hostPath: hostText === undefined ? '' : RESOLV_CONF,
    hostText: hostText ?? '',
    nameservers: choose(hostConfig.Dns, daemon.dns),
    search: choose(hostConfig.DnsSearch, daemon.dnsSearch),
    options: choose(hostConfig.DnsOptions, daemon.dnsOptions),
    resolver: RESOLVER_ADDRESS,
  });
}

function resolvConfText(request: Parameters<typeof etcFiles>[0]): string {
  const { hostConfig, network, daemon } = request;
  if (network.some(({ endpoint }) => isUserDefinedNetwork(endpoint.networkName))) {
    return internalResolvConfText(hostConfig, daemon);
  }
  let hostPath = RESOLV_CONF;
  let hostText = readText(hostPath);
  const legacy = hostConfig.NetworkMode !== 'host' && !isUserDefinedNetwork(hostConfig.NetworkMode);
  if (legacy && hostText !== undefined && isSystemdStub(hostText)) {
    hostPath = SYSTEMD_RESOLV_CONF;
    hostText = readText(hostPath);
  }
  const choose = (own: readonly string[] | null, all: readonly string[]): readonly string[] =>
    own && own.length > 0 ? own : all;
  return resolvConf({
    hostPath: hostText === undefined ? '' : hostPath,
    hostText: hostText ?? '',
    nameservers: choose(hostConfig.Dns, daemon.dns),
    search: choose(hostConfig.DnsSearch, daemon.dnsSearch),
    options: choose(hostConfig.DnsOptions, daemon.dnsOptions),
    ownNetwork: hostConfig.NetworkMode !== 'host',
    ipv6: network.some(({ endpoint }) => endpoint.ipv6 !== undefined),
  });
}
