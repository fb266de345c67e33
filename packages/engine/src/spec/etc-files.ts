import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemError } from '@gantry/errors';
import type { NetworkAttachment } from '@gantry/network';
import type { EngineDefaults } from '../defaults.ts';
import type { HostConfig } from '../documents/index.ts';
import { isUserDefinedNetwork } from '../validate/modes.ts';
import { hostsFile } from './hosts-file.ts';
import { isSystemdStub, resolvConf } from './resolv-conf.ts';

/** Where a container keeps its hosts, hostname and resolv.conf files; the owner's when the network is shared with it. */
export type EtcFiles = { readonly hosts: string; readonly hostname: string; readonly resolvConf: string };

const RESOLV_CONF = '/etc/resolv.conf';
const SYSTEMD_RESOLV_CONF = '/run/systemd/resolve/resolv.conf';

/** Text of a file, undefined when it does not exist. */
async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw systemError(`cannot read ${path}`, { cause: error });
  }
}

/** Writes the three files of a container that has a network of its own, or the host's. */
export async function writeEtcFiles(request: {
  readonly directory: string;
  readonly hostname: string;
  readonly domainname: string;
  readonly hostConfig: HostConfig;
  readonly network: readonly NetworkAttachment[];
  readonly daemon: EngineDefaults;
}): Promise<EtcFiles> {
  const { directory } = request;
  const files = {
    hosts: join(directory, 'hosts'),
    hostname: join(directory, 'hostname'),
    resolvConf: join(directory, 'resolv.conf'),
  };
  const [hosts, resolv] = await Promise.all([hostsText(request), resolvConfText(request)]);
  await Promise.all([
    writeFile(files.hosts, hosts, { mode: 0o644 }),
    writeFile(files.hostname, `${request.hostname}\n`, { mode: 0o644 }),
    writeFile(files.resolvConf, resolv, { mode: 0o644 }),
  ]);
  return files;
}

async function hostsText(request: Parameters<typeof writeEtcFiles>[0]): Promise<string> {
  const { hostConfig, network, daemon } = request;
  const extraHosts = hostConfig.ExtraHosts ?? [];
  // A host-mode container sees the host's own names, unless it was given some that may contradict them.
  if (hostConfig.NetworkMode === 'host' && extraHosts.length === 0) return (await readText('/etc/hosts')) ?? '';
  const addresses = network.flatMap(({ endpoint }) =>
    [endpoint.ipv4?.address, endpoint.ipv6?.address].filter(address => address !== undefined),
  );
  return hostsFile({
    hostname: request.hostname,
    domainname: request.domainname,
    addresses,
    extraHosts,
    hostGatewayIps: daemon.hostGatewayIps,
    ipv6: existsSync('/proc/sys/net/ipv6'),
  });
}

async function resolvConfText(request: Parameters<typeof writeEtcFiles>[0]): Promise<string> {
  const { hostConfig, network, daemon } = request;
  let hostPath = RESOLV_CONF;
  let hostText = await readText(hostPath);
  const legacy = hostConfig.NetworkMode !== 'host' && !isUserDefinedNetwork(hostConfig.NetworkMode);
  if (legacy && hostText !== undefined && isSystemdStub(hostText)) {
    hostPath = SYSTEMD_RESOLV_CONF;
    hostText = await readText(hostPath);
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
