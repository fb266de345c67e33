import { hostname } from 'node:os';
import { forbidden, notFound } from '@gantry/errors';
import { linkIndex, probePort } from '@gantry/linux';
import { bridgeName } from './bridge-device.ts';
import { defaultBridgeOptions } from './default-bridge.ts';
import type { NetworkDriver } from './driver.ts';
import { bridgeDriver } from './drivers/bridge.ts';
import { hostDriver } from './drivers/host.ts';
import { ipvlanDriver } from './drivers/ipvlan.ts';
import { macvlanDriver } from './drivers/macvlan.ts';
import { nullDriver } from './drivers/null.ts';
import { readTable, tracePath } from './explain/index.ts';
import type { Endpoint, NetworkCreate, NetworkRecord, NetworkStack, NetworkStackOptions } from './face.ts';
import { openFirewall } from './firewall/firewall.ts';
import { openForwarding } from './forwarding.ts';
import {
  firstIndexInNewNamespace,
  hasBridgeNetfilter,
  hasIPv6,
  localCongestion,
  localPortRange,
  readHostView,
  usedSubnets,
} from './host-view.ts';
import { newId } from './id.ts';
import { DEFAULT_POOLS, type PoolRange, uniqueLocalPool } from './ipam.ts';
import { NetworkInUse } from './network-in-use.ts';
import { explainLaunchFailure } from './port-errors.ts';
import { PortTable } from './ports.ts';
import { type Prefix, parsePrefix, prefixesOverlap, prefixText } from './prefix.ts';
import { prepareNetwork } from './prepare-network.ts';
import { openNetworkRecords } from './records.ts';

/** How soon rules are repaired that another program (dockerd, firewalld, ufw) flushed or shadowed, while no container starts. */
const REPAIR_MS = 2_000;

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
  const pools = addressPools(options);
  const defaultBridge = options.defaultBridge ?? {};
  const containerLinkIndex = firstIndexInNewNamespace(readHostView().links);
  const drivers = new Map<string, NetworkDriver>();
  for (const driver of [
    bridgeDriver({
      run,
      readView: readHostView,
      pools,
      bip: options.bip,
      defaultBridge,
      forwardIPv6: () => forwarding.turnOn('ipv6'),
      ports,
      obeyInput: options.publishedPortsObeyInput ?? false,
      firewall: options.iptables
        ? openFirewall({ bridge: options.bridge, run, warn, closed: forwarding.closed })
        : undefined,
      ipv6,
      containerLinkIndex,
      bridgeNetfilter: hasBridgeNetfilter(),
      localCongestion: localCongestion(),
      warn,
    }),
    hostDriver(),
    nullDriver(),
    macvlanDriver({ run, readView: readHostView, linkIndex, ipv6, containerLinkIndex }),
    ipvlanDriver({ run, readView: readHostView, linkIndex, ipv6, containerLinkIndex }),
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
    if (record.configOnly) continue;
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
  const create = async (request: NetworkCreate): Promise<{ network: NetworkRecord; warning: string }> => {
    const wanted = prepareNetwork(request, [...networks.values()], {
      pools,
      used: () => usedSubnets(readHostView()),
      defaultOptions: options.defaultNetworkOptions ?? {},
    });
    const network: NetworkRecord =
      wanted.driver === 'bridge' && linkIndex(bridgeName(wanted)) !== undefined
        ? { ...wanted, borrowedLink: true }
        : wanted;
    if (network.configOnly) {
      await records.save(network);
      networks.set(network.id, network);
      endpoints.set(network.id, new Map());
      return { network, warning: '' };
    }
    const driver = driverOf(network);
    const warning = overlapWarning(network);
    try {
      // Written first: a daemon that is killed right after it leaves a network without a bridge, which the next one makes,
      // and never a bridge that is nobody's.
      await records.save(network);
      const opened = await driver.open(network);
      if (JSON.stringify(opened) !== JSON.stringify(network)) await records.save(opened);
      networks.set(opened.id, opened);
      endpoints.set(opened.id, new Map());
      return { network: opened, warning };
    } catch (error) {
      await Promise.resolve(driver.remove?.(network)).catch(failed => warn(`removing network ${network.name}`, failed));
      await records.remove(network.id);
      throw error;
    }
  };

  /** Containers that get onto a network at this moment, by network. */
  const arriving = new Map<string, Set<string>>();
  const remove = async (ref: string): Promise<void> => {
    const network = get(ref);
    const users = [
      ...(endpoints.get(network.id)?.values() ?? []),
      ...[...(arriving.get(network.id) ?? [])].map(containerId => ({ id: '', containerId })),
    ];
    if (users.length > 0) throw new NetworkInUse(network, users);
    if (network.configOnly && [...networks.values()].some(({ configFrom }) => configFrom === network.name)) {
      throw forbidden(`error while removing network: configuration network ${JSON.stringify(network.name)} is in use`);
    }
    networks.delete(network.id);
    endpoints.delete(network.id);
    await Promise.resolve(driverOf(network).remove?.(network)).catch(error =>
      warn(`removing network ${network.name}`, error),
    );
    await records.remove(network.id);
  };

  // One at a time: two that look at the same chains would both add what is missing. One that waits sees what came meanwhile.
  let repairing: Promise<void> = Promise.resolve();
  let nextRepair: Promise<void> | undefined;
  const repair = (): Promise<void> => {
    nextRepair ??= repairing.then(async () => {
      nextRepair = undefined;
      try {
        await Promise.all([...drivers.values()].map(driver => driver.check()));
      } catch (error) {
        warn('repairing rules that another program changed', error);
      }
    });
    repairing = nextRepair;
    return nextRepair;
  };
  const timer = setInterval(repair, REPAIR_MS).unref();
  /** Behind the answer to whom a container was started or connected for. */
  let repairSoon: NodeJS.Immediate | undefined;

  return {
    firstLinkIndex: containerLinkIndex,
    list: () => [...networks.values()],
    get,
    create: request => inTurn(() => create(request)),
    remove: networkId => inTurn(() => remove(networkId)),
    containerSide: (endpoint, interfaceName, index, gateways) =>
      driverOf(get(endpoint.networkId)).containerSide?.(endpoint, interfaceName, index, gateways) ?? [],
    defaultRoutes: (endpoint, index, gateways) =>
      driverOf(get(endpoint.networkId)).defaultRoutes?.(endpoint, index, gateways) ?? [],
    async unplug(endpoint, enter) {
      const steps = driverOf(get(endpoint.networkId)).unplug?.(endpoint);
      if (steps) await run([...steps.host, ...enter, ...steps.inside]);
    },
    async attach(request) {
      const network = get(request.networkId);
      if (network.configOnly) {
        throw forbidden('cannot create endpoint on configuration-only network', {
          hint: `make a network of it with --config-from ${network.name}`,
        });
      }
      const here = arriving.get(network.id) ?? new Set();
      arriving.set(network.id, here.add(request.containerId));
      try {
        const attachment = await driverOf(network).attach(network, request);
        endpoints.get(network.id)?.set(attachment.endpoint.id, attachment.endpoint);
        // Published ports need the table; what else others may have broken is looked for behind the start, in started().
        if (request.ports.length > 0) void repair();
        return attachment;
      } finally {
        here.delete(request.containerId);
      }
    },
    async started(endpoint, pid) {
      const network = networks.get(endpoint.networkId);
      if (!network) return;
      repairSoon ??= setImmediate(() => {
        repairSoon = undefined;
        void repair();
      });
      try {
        await driverOf(network).started(network, endpoint, pid);
      } catch (error) {
        warn(`looking after endpoint ${endpoint.id}`, error);
      }
    },
    async republish(endpoint, request) {
      const network = get(endpoint.networkId);
      const next = (await driverOf(network).republish?.(endpoint, request)) ?? endpoint;
      endpoints.get(network.id)?.set(next.id, next);
      return next;
    },
    async link(endpoint, ports) {
      await driverOf(get(endpoint.networkId)).link?.(endpoint, ports);
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
    path(request, nameOf) {
      const links = [...networks.values()].flatMap(network =>
        network.driver === 'bridge' ? [bridgeName(network)] : [],
      );
      return tracePath(request, {
        view: readHostView(),
        table: options.iptables ? readTable(options.bridge, forwarding.closed, links) : undefined,
        network: id => networks.get(id),
        bridgeOf: network => (network.driver === 'bridge' ? bridgeName(network) : undefined),
        endpoints: [...endpoints.values()].flatMap(map => [...map.values()]),
        nameOf,
      });
    },
    endpoints: networkId => [...(endpoints.get(networkId)?.values() ?? [])],
    repair,
    async reconcile() {
      for (const driver of drivers.values()) await driver.reconcile();
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      clearImmediate(repairSoon);
      for (const driver of drivers.values()) await driver.close();
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
    enableIPv6: options.defaultBridge?.ipv6 ?? false,
    options: defaultBridgeOptions(options.bridge, options.defaultBridge ?? {}),
  };
  return [...(options.bridge === 'none' ? [] : [bridge]), plain('host', 'host'), plain('none', 'null')];
}

/** Subnets are taken from those of the user, else from Docker's; of IPv6 from pools of this host. */
function addressPools({ defaultAddressPools: own, hostId = hostname() }: NetworkStackOptions): readonly PoolRange[] {
  const pools = own.length > 0 ? own : DEFAULT_POOLS;
  return pools.some(({ base }) => base.includes(':')) ? pools : [...pools, uniqueLocalPool(hostId)];
}

/** What a person should know who chose a subnet that this host has a route into: packets to there go to the network now. */
function overlapWarning(network: NetworkRecord): string {
  const asked = network.subnets.filter(({ asked }) => asked !== undefined);
  // Links on top of the host's own are meant to be on its network.
  if (asked.length === 0 || network.driver !== 'bridge' || network.borrowedLink) return '';
  const used: readonly Prefix[] = usedSubnets(readHostView());
  return asked
    .flatMap(({ subnet }) => {
      const other = used.find(one => prefixesOverlap(one, parsePrefix(subnet)));
      return other
        ? [`the subnet ${subnet} overlaps ${prefixText(other)}, which this host has a route or an address in`]
        : [];
    })
    .join('; ');
}
