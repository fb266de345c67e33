import { notFound } from '@gantry/errors';
import { probePort } from '@gantry/linux';
import { BridgeOption } from './bridge-options.ts';
import type { NetworkDriver } from './driver.ts';
import { bridgeDriver } from './drivers/bridge.ts';
import { hostDriver } from './drivers/host.ts';
import { nullDriver } from './drivers/null.ts';
import type { Endpoint, NetworkCreate, NetworkRecord, NetworkStack, NetworkStackOptions } from './face.ts';
import { openFirewall } from './firewall/firewall.ts';
import { openForwarding } from './forwarding.ts';
import { firstIndexInNewNamespace, hasBridgeNetfilter, hasIPv6, localPortRange, readHostView } from './host-view.ts';
import { newId } from './id.ts';
import { DEFAULT_POOLS } from './ipam.ts';
import { explainLaunchFailure } from './port-errors.ts';
import { PortTable } from './ports.ts';
import { prepareNetwork } from './prepare-network.ts';
import { openNetworkRecords } from './records.ts';

/** How soon rules are repaired that another program (dockerd, firewalld, ufw) flushed or shadowed, while no container starts. */
const REPAIR_MS = 10_000;

/**
 * Opens the networks of one daemon: makes the default ones on first use, and the default bridge when it is missing.
 * Closing leaves bridge, rules and containers as they are.
 * @throws unavailable (no free subnet), invalidParameter (--bip, --bridge)
 */
export async function openNetworkStack(options: NetworkStackOptions): Promise<NetworkStack> {
  const warn = options.warn ?? (() => {});
  const run = options.launcher.run.bind(options.launcher);
  const ipv6 = hasIPv6();
  const ipv6Ports = ipv6 && probePort('tcp', '::1', 0) === undefined;
  const ports = new PortTable({
    wildcards: ipv6Ports ? ['0.0.0.0', '::'] : ['0.0.0.0'],
    range: localPortRange(),
    isFree: (protocol, address, port) => probePort(protocol, address, port) === undefined,
  });
  const forwarding = openForwarding({
    run,
    warn,
    runDir: options.runDir,
    never: !options.ipForward,
    open: options.ipForwardNoDrop ?? false,
  });
  await forwarding.turnOn('ipv4');
  const drivers = new Map<string, NetworkDriver>();
  for (const driver of [
    bridgeDriver({
      run,
      readView: readHostView,
      pools: options.defaultAddressPools.length > 0 ? options.defaultAddressPools : DEFAULT_POOLS,
      bip: options.bip,
      ports,
      firewall: options.iptables
        ? openFirewall({ bridge: options.bridge, run, warn, closed: forwarding.closed })
        : undefined,
      ipv6,
      containerLinkIndex: firstIndexInNewNamespace(readHostView().links),
      bridgeNetfilter: hasBridgeNetfilter(),
      warn,
    }),
    hostDriver(),
    nullDriver(),
  ]) {
    drivers.set(driver.name, driver);
  }
  const driverOf = (network: NetworkRecord): NetworkDriver => {
    const driver = drivers.get(network.driver);
    if (!driver) throw notFound(`network driver ${network.driver} not found`);
    return driver;
  };

  const records = openNetworkRecords(options.store);
  const networks = new Map<string, NetworkRecord>();
  const endpoints = new Map<string, Map<string, Endpoint>>();
  const kept = records.list();
  for (const wanted of defaultNetworks(options)) {
    const known = kept.find(record => record.name === wanted.name);
    const opened = await driverOf(wanted).open(
      known ? { ...wanted, id: known.id, createdAtMs: known.createdAtMs, subnets: known.subnets } : wanted,
    );
    if (!known || JSON.stringify(known) !== JSON.stringify(opened)) await records.save(opened);
    networks.set(opened.id, opened);
    endpoints.set(opened.id, new Map());
  }
  for (const record of kept.filter(({ name }) => !PREDEFINED.has(name))) {
    networks.set(record.id, record);
    endpoints.set(record.id, new Map());
    try {
      await driverOf(record).open(record);
    } catch (error) {
      warn(`opening network ${record.name}`, error);
    }
  }
  for (const driver of drivers.values()) await driver.begin?.();

  const get = (ref: string): NetworkRecord => {
    const byId = networks.get(ref);
    if (byId) return byId;
    const all = [...networks.values()];
    const byName = all.find(network => network.name === ref);
    if (byName) return byName;
    const byPrefix = ref === '' ? [] : all.filter(network => network.id.startsWith(ref));
    const [only] = byPrefix;
    if (only && byPrefix.length === 1) return only;
    throw notFound(
      byPrefix.length > 1
        ? `network ${ref} is ambiguous (${byPrefix.length} matches found on ID prefix)`
        : `network ${ref} not found`,
    );
  };

  // One after another: each chooses a subnet that the ones before left free.
  let creating: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = creating.then(work);
    creating = result.catch(() => {});
    return result;
  };
  const create = async (request: NetworkCreate): Promise<NetworkRecord> => {
    const wanted = prepareNetwork(request, [...networks.values()]);
    const driver = driverOf(wanted);
    try {
      const opened = await driver.open(wanted);
      await records.save(opened);
      networks.set(opened.id, opened);
      endpoints.set(opened.id, new Map());
      return opened;
    } catch (error) {
      await Promise.resolve(driver.remove?.(wanted)).catch(() => {});
      throw error;
    }
  };

  const repair = async (): Promise<void> => {
    try {
      await Promise.all([...drivers.values()].map(driver => driver.check()));
    } catch (error) {
      warn('repairing rules that another program changed', error);
    }
  };
  const timer = setInterval(repair, REPAIR_MS).unref();

  return {
    list: () => [...networks.values()],
    get,
    create: request => inTurn(() => create(request)),
    async remove(networkId) {
      const network = get(networkId);
      networks.delete(network.id);
      endpoints.delete(network.id);
      await records.remove(network.id);
      await Promise.resolve(driverOf(network).remove?.(network)).catch(error =>
        warn(`removing network ${network.name}`, error),
      );
    },
    containerSide: (endpoint, interfaceName, index, isGateway) =>
      driverOf(get(endpoint.networkId)).containerSide?.(endpoint, interfaceName, index, isGateway) ?? [],
    async unplug(endpoint) {
      await driverOf(get(endpoint.networkId)).unplug?.(endpoint);
    },
    async attach(request) {
      const network = get(request.networkId);
      const attachment = await driverOf(network).attach(network, request);
      endpoints.get(network.id)?.set(attachment.endpoint.id, attachment.endpoint);
      void repair();
      return attachment;
    },
    async started(endpoint) {
      const network = networks.get(endpoint.networkId);
      if (!network || endpoint.ports.length === 0) return;
      try {
        await driverOf(network).started(network, endpoint);
      } catch (error) {
        warn(`forgetting old connections to endpoint ${endpoint.id}`, error);
      }
    },
    async republish(endpoint, request) {
      const network = get(endpoint.networkId);
      const next = (await driverOf(network).republish?.(endpoint, request)) ?? endpoint;
      endpoints.get(network.id)?.set(next.id, next);
      return next;
    },
    async resumePorts(endpoint, shim) {
      await driverOf(get(endpoint.networkId)).resumePorts?.(endpoint, shim);
    },
    async detach(endpoint) {
      const network = networks.get(endpoint.networkId);
      if (!network) return;
      endpoints.get(network.id)?.delete(endpoint.id);
      await driverOf(network).detach(network, endpoint);
    },
    adopt(endpoint) {
      const network = get(endpoint.networkId);
      driverOf(network).adopt(network, endpoint);
      endpoints.get(network.id)?.set(endpoint.id, endpoint);
    },
    explain: explainLaunchFailure,
    endpoints: networkId => [...(endpoints.get(networkId)?.values() ?? [])],
    repair,
    async reconcile() {
      for (const driver of drivers.values()) await driver.reconcile();
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      for (const driver of drivers.values()) driver.close();
    },
  };
}

const PREDEFINED: ReadonlySet<string> = new Set(['bridge', 'host', 'none']);

function defaultNetworks(options: NetworkStackOptions): NetworkRecord[] {
  const plain = (name: 'host' | 'none', driver: 'host' | 'null'): NetworkRecord => ({
    id: newId(),
    name,
    driver,
    createdAtMs: Date.now(),
    scope: 'local',
    enableIPv4: true,
    enableIPv6: false,
    internal: false,
    subnets: [],
    options: {},
    labels: {},
  });
  const bridge: NetworkRecord = {
    ...plain('host', 'host'),
    name: 'bridge',
    driver: 'bridge',
    options: {
      [BridgeOption.isDefault]: 'true',
      [BridgeOption.icc]: 'true',
      [BridgeOption.masquerade]: 'true',
      [BridgeOption.hostBinding]: '0.0.0.0',
      [BridgeOption.name]: options.bridge,
      [BridgeOption.mtu]: '1500',
    },
  };
  return [...(options.bridge === 'none' ? [] : [bridge]), plain('host', 'host'), plain('none', 'null')];
}
