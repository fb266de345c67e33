import type { Endpoint } from '@gantry/network';
import type { EndpointSettings, NetworkSettingsDocument, PortMap, PortSummary } from '../documents/index.ts';
import { isUserDefinedNetwork } from '../validate/modes.ts';
import type { Container } from './container.ts';
import { dnsNames } from './names-on-networks.ts';

/** The container's place on each of its networks, empty of addresses while it does not run. */
export function endpointDocuments(container: Container): Record<string, EndpointSettings> {
  const { document, facts } = container;
  const endpoints = facts.run?.endpoints ?? [];
  const result: Record<string, EndpointSettings> = {};
  for (const [name, wanted] of Object.entries(document.networks)) {
    const endpoint = endpoints.find(({ networkName, networkId }) => networkName === name || networkId === name);
    result[endpoint?.networkName ?? name] = {
      IPAMConfig: wanted.IPAMConfig ?? null,
      Links: wanted.Links ?? null,
      Aliases: wanted.Aliases ?? null,
      MacAddress: macAddress(container, wanted, endpoint),
      DriverOpts: wanted.DriverOpts ?? null,
      GwPriority: wanted.GwPriority ?? 0,
      NetworkID: endpoint?.networkId ?? facts.networkIds[name] ?? '',
      EndpointID: endpoint?.id ?? '',
      Gateway: endpoint?.ipv4?.gateway ?? '',
      IPAddress: endpoint?.ipv4?.address ?? '',
      IPPrefixLen: endpoint?.ipv4?.prefixLength ?? 0,
      IPv6Gateway: endpoint?.ipv6?.gateway ?? '',
      GlobalIPv6Address: endpoint?.ipv6?.address ?? '',
      GlobalIPv6PrefixLen: endpoint?.ipv6?.prefixLength ?? 0,
      DNSNames: endpoint && isUserDefinedNetwork(endpoint.networkName) ? dnsNames(container, wanted) : null,
    };
  }
  return result;
}

/** What was asked for until the first start, also on a network that has no use for it; then what it has while it runs. */
function macAddress({ facts }: Container, wanted: Partial<EndpointSettings>, endpoint: Endpoint | undefined): string {
  if (!endpoint && facts.startedNs !== undefined) return '';
  return endpoint?.macAddress || wanted.MacAddress || '';
}

/** Ports as inspect shows them: published ones with their host addresses, exposed ones with null. */
export function portMap(container: Container): PortMap {
  const endpoints = container.facts.run?.endpoints ?? [];
  const ports: PortMap = {};
  if (!endpoints.some(hasAddress)) return ports;
  for (const key of Object.keys(container.document.config.ExposedPorts ?? {})) ports[portKey(key)] = null;
  for (const { ports: published } of endpoints) {
    for (const { protocol, containerPort, hostIp, hostPort } of published) {
      const key = `${containerPort}/${protocol}`;
      const bindings = ports[key] ?? [];
      bindings.push({ HostIp: hostIp, HostPort: hostPort === 0 ? '' : String(hostPort) });
      ports[key] = bindings;
    }
  }
  return ports;
}

const hasAddress = (endpoint: Endpoint): boolean => endpoint.ipv4 !== undefined || endpoint.ipv6 !== undefined;

const portKey = (key: string): string => (key.includes('/') ? key : `${key}/tcp`);

/** Ports as ps shows them. */
export function portSummaries(container: Container): PortSummary[] {
  const summaries: PortSummary[] = [];
  for (const [key, bindings] of Object.entries(portMap(container))) {
    const [port, type = 'tcp'] = key.split('/');
    const ports = { PrivatePort: Number(port), Type: type };
    if (!bindings?.length) summaries.push(ports);
    for (const { HostIp, HostPort } of bindings ?? []) {
      summaries.push({ IP: HostIp, PrivatePort: ports.PrivatePort, PublicPort: Number(HostPort), Type: type });
    }
  }
  return summaries;
}

export function networkSettings(container: Container): NetworkSettingsDocument {
  const networks = endpointDocuments(container);
  const bridge = networks.bridge;
  const { run } = container;
  const own = run !== undefined && Object.keys(networks).length > 0;
  return {
    Bridge: '',
    // The sandbox is the container itself: the same id, and its namespace under /proc.
    SandboxID: own ? container.id : '',
    SandboxKey: own ? `/proc/${run.shim.pid}/ns/net` : '',
    Ports: portMap(container),
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: bridge?.EndpointID ?? '',
    Gateway: bridge?.Gateway ?? '',
    GlobalIPv6Address: bridge?.GlobalIPv6Address ?? '',
    GlobalIPv6PrefixLen: bridge?.GlobalIPv6PrefixLen ?? 0,
    IPAddress: bridge?.IPAddress ?? '',
    IPPrefixLen: bridge?.IPPrefixLen ?? 0,
    IPv6Gateway: bridge?.IPv6Gateway ?? '',
    MacAddress: bridge?.MacAddress ?? '',
    Networks: networks,
  };
}
