import { isIP } from 'node:net';
import { invalidParameter } from '@gantry/errors';
import type { ContainerConfig, HostConfig, NetworkingConfig, PortMap } from '../documents/index.ts';
import { containerOfMode } from './modes.ts';

const some = (list: readonly unknown[] | null | undefined): boolean => (list?.length ?? 0) > 0;
const someKey = (map: object | null | undefined): boolean => Object.keys(map ?? {}).length > 0;

/** Checks what may not be combined with the network and UTS modes. @throws invalidParameter */
export function checkNetworkMode(config: ContainerConfig, host: HostConfig): void {
  const other = containerOfMode(host.NetworkMode);
  if (host.NetworkMode === 'container' || other !== undefined) {
    if (!other) throw invalidParameter('invalid network mode: invalid container format container:<name|id>');
    if (config.Hostname) throw invalidParameter('conflicting options: hostname and the network mode');
    if (some(host.Links)) {
      throw invalidParameter(
        "conflicting options: container type network can't be used with links. This would result in undefined behavior",
      );
    }
    if (some(host.Dns)) throw invalidParameter('conflicting options: dns and the network mode');
    if (some(host.ExtraHosts)) {
      throw invalidParameter('conflicting options: custom host-to-IP mapping and the network mode');
    }
    if (someKey(host.PortBindings) || host.PublishAllPorts) {
      throw invalidParameter('conflicting options: port publishing and the container type network mode');
    }
    if (someKey(config.ExposedPorts)) {
      throw invalidParameter('conflicting options: port exposing and the container type network mode');
    }
  }
  if (host.UTSMode === 'host' && config.Hostname) {
    throw invalidParameter('conflicting options: hostname and the UTS mode');
  }
  if (host.NetworkMode === 'host' && some(host.Links)) {
    throw invalidParameter(
      "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
    );
  }
}

/** Whether `text` is an IPv4 or IPv6 address without a zone. */
export function isAddress(text: string): boolean {
  return isIP(text.trim()) !== 0 && !text.includes('%');
}

/** Checks `--add-host` values, `name:address`. @throws invalidParameter */
export function checkExtraHosts(extraHosts: readonly string[] | null): void {
  for (const extra of extraHosts ?? []) {
    const colon = extra.indexOf(':');
    if (colon < 1) throw invalidParameter(`bad format for add-host: ${JSON.stringify(extra)}`);
    const address = extra.slice(colon + 1);
    if (address !== 'host-gateway' && !isAddress(address)) {
      throw invalidParameter(`invalid IP address in add-host: ${JSON.stringify(address)}`);
    }
  }
}

const isPort = (text: string): boolean => /^\d+$/.test(text) && Number(text) <= 65535;

function isPortRange(text: string): boolean {
  if (text === '') return true;
  const [start = '', end, more] = text.split('-');
  if (more !== undefined || !isPort(start)) return false;
  return end === undefined || (isPort(end) && Number(end) >= Number(start));
}

/** Checks the ports to publish: `80/tcp` to a list of host ports or ranges. @throws invalidParameter */
export function checkPortBindings(bindings: PortMap | null): void {
  for (const [port, list] of Object.entries(bindings ?? {})) {
    const [number = '', protocol = 'tcp'] = port.split('/');
    if (!isPort(number)) throw invalidParameter(`invalid port specification: ${JSON.stringify(number)}`);
    if (!['tcp', 'udp', 'sctp'].includes(protocol.toLowerCase())) {
      throw invalidParameter(`invalid protocol in port specification: ${JSON.stringify(port)}`, {
        hint: 'publish tcp, udp or sctp ports',
      });
    }
    for (const binding of list ?? []) {
      const [hostPort = ''] = (binding.HostPort ?? '').split('/');
      if (!isPortRange(hostPort))
        throw invalidParameter(`invalid port specification: ${JSON.stringify(binding.HostPort)}`);
      if (binding.HostIp && !isAddress(binding.HostIp)) {
        throw invalidParameter(`invalid IP address in port specification: ${JSON.stringify(binding.HostIp)}`);
      }
    }
  }
}

/** Checks the endpoint settings of the networks asked for. @throws invalidParameter */
export function checkNetworkingConfig(networking: NetworkingConfig | undefined): void {
  const errors: string[] = [];
  for (const [network, endpoint] of Object.entries(networking?.EndpointsConfig ?? {})) {
    if (!endpoint) {
      errors.push(`invalid config for network ${network}: EndpointsConfig is nil`);
      continue;
    }
    const mac = endpoint.MacAddress;
    if (mac && !/^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(mac)) {
      errors.push(`invalid config for network ${network}: invalid MAC address ${mac}`);
    }
  }
  if (errors.length > 0) throw invalidParameter(errors.join('\n'));
}
