import { conflict, forbidden, invalidParameter, notFound } from '@gantry/errors';
import { BridgeOption, NetworkOption } from './bridge-options.ts';
import type { AskedSubnet, DriverName, NetworkCreate, NetworkRecord } from './face.ts';
import { newId } from './id.ts';
import { checkBridgeOptions, familyOption } from './network-options.ts';
import { checkSubInterfaceOptions } from './parent-link.ts';
import { chooseSubnets, type SubnetChoice, subnetProblems } from './subnet-request.ts';

export type PrepareContext = Omit<SubnetChoice, 'hasGateway' | 'others'> & {
  readonly defaultOptions: Readonly<Record<string, Readonly<Record<string, string>>>>;
};

/**
 * Checks a request for a network as dockerd does, and makes the record that the driver then opens.
 * @throws conflict (name), forbidden (overlap, second host network), invalidParameter, notFound (driver), unavailable (pools)
 */
export function prepareNetwork(
  request: NetworkCreate,
  others: readonly NetworkRecord[],
  context: PrepareContext,
): NetworkRecord {
  const { name } = request;
  if (['bridge', 'host', 'none', 'default'].includes(name)) {
    // With dockerd's blank at the end.
    throw forbidden(`operation is not permitted on predefined ${name} network `);
  }
  if (request.configOnly) return configuration(request, others);
  const from = fromConfiguration(request, others);
  const { driver, options, labels } = from;
  checkOperatorFields(request);
  checkSubnets(from.subnets);
  if (others.some(other => other.name === name)) throw conflict(`network with name ${name} already exists`);
  const kind = checkDriver(driver);
  const allOptions = { ...context.defaultOptions[kind], ...options };
  const families = enabledFamilies(request, from, allOptions);
  const ipam = checkIpam(kind, from.ipamDriver, from.ipamOptions, from.subnets);
  const record: NetworkRecord = {
    id: newId(),
    name,
    driver: kind,
    createdAtMs: Date.now(),
    scope: request.scope || 'local',
    ...families,
    internal: request.internal || (isSubInterface(kind) && !allOptions.parent),
    attachable: request.attachable ?? false,
    subnets: [],
    options: allOptions,
    labels,
    ...(ipam ? { ipam } : {}),
    ...(request.configFrom ? { configFrom: request.configFrom } : {}),
  };
  if (kind === 'bridge') checkBridgeOptions(record, others);
  else checkSubInterfaceOptions(record, others);
  if (ipam?.driver === 'null') return record;
  return {
    ...record,
    subnets: chooseSubnets(record, from.subnets, {
      ...context,
      others,
      hasGateway: family => hasGateway(record, family),
    }),
  };
}

/** Networks that need no machine to send through have none. */
function hasGateway({ driver, options, internal }: NetworkRecord, family: 4 | 6): boolean {
  if (driver === 'macvlan') return !internal;
  if (driver === 'ipvlan') return !internal && (options.ipvlan_mode ?? 'l2') === 'l2';
  return options[family === 4 ? BridgeOption.gatewayMode : BridgeOption.gatewayMode6] !== 'isolated';
}

const isSubInterface = (driver: DriverName): boolean => driver === 'macvlan' || driver === 'ipvlan';

type Settings = Pick<NetworkCreate, 'driver' | 'options' | 'labels' | 'subnets' | 'ipamDriver' | 'ipamOptions'> & {
  readonly enableIPv4?: boolean;
  readonly enableIPv6?: boolean;
};

/** The settings of a network: its own, or those of the configuration that it is made from. */
function fromConfiguration(request: NetworkCreate, others: readonly NetworkRecord[]): Settings {
  if (!request.configFrom) return request;
  const own =
    request.subnets.length > 0 ||
    request.enableIPv6 === true ||
    request.enableIPv4 === false ||
    (request.ipamDriver !== undefined && request.ipamDriver !== '' && request.ipamDriver !== 'default') ||
    Object.keys(request.ipamOptions ?? {}).length > 0;
  if (own || Object.keys(request.labels).length > 0) {
    throw forbidden(
      'user specified configurations are not supported if the network depends on a configuration network',
      { hint: 'leave out everything but the driver, or leave out --config-from' },
    );
  }
  if (Object.keys(request.options).length > 0) {
    throw forbidden('network driver options are not supported if the network depends on a configuration network', {
      hint: `give them to the configuration ${request.configFrom}`,
    });
  }
  const source = others.find(other => other.name === request.configFrom && other.configOnly);
  if (!source) {
    throw notFound(`configuration network ${JSON.stringify(request.configFrom)} does not exist`, {
      hint: 'make it with: gantry network create --config-only',
    });
  }
  return {
    driver: request.driver,
    options: source.options,
    labels: source.labels,
    subnets: source.subnets.map(({ subnet, gateway, ipRange, auxiliary }) => ({
      subnet,
      ...(gateway === '' ? {} : { gateway }),
      ...(ipRange === undefined ? {} : { ipRange }),
      ...(auxiliary === undefined ? {} : { auxiliary }),
    })),
    enableIPv4: source.enableIPv4,
    enableIPv6: source.enableIPv6,
    ...(source.ipam ? { ipamDriver: source.ipam.driver, ipamOptions: source.ipam.options } : {}),
  };
}

/** A configuration is kept as it is given: what is in it is checked when a network is made from it. */
function configuration(request: NetworkCreate, others: readonly NetworkRecord[]): NetworkRecord {
  const { name } = request;
  if (request.internal || request.attachable || request.ingress || (request.scope && request.scope !== 'local')) {
    throw forbidden(
      'configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.',
    );
  }
  if (request.configFrom) {
    throw forbidden('a configuration network cannot depend on another configuration network');
  }
  checkSubnets(request.subnets);
  if (others.some(other => other.name === name)) throw conflict(`network with name ${name} already exists`);
  const driver = request.ipamDriver || 'default';
  return {
    id: newId(),
    name,
    driver: 'null',
    createdAtMs: Date.now(),
    scope: 'local',
    enableIPv4: request.enableIPv4 ?? true,
    enableIPv6: request.enableIPv6 ?? false,
    internal: false,
    attachable: false,
    subnets: request.subnets.map(({ gateway = '', ...subnet }) => ({
      ...subnet,
      gateway,
      asked: gateway === '' ? 'subnet' : 'gateway',
    })),
    options: { ...request.options },
    labels: { ...request.labels },
    ipam: { driver, options: request.ipamOptions ?? null },
    configOnly: true,
  };
}

function checkOperatorFields({ scope, ingress }: NetworkCreate): void {
  if (ingress) throw forbidden('Ingress network can only be global scope network');
  if (scope === 'swarm') {
    throw forbidden('cannot create a swarm scoped network when swarm is not active', { hint: 'use the scope local' });
  }
}

function checkDriver(driver: string): DriverName {
  switch (driver) {
    case '':
    case 'bridge':
      return 'bridge';
    case 'macvlan':
    case 'ipvlan':
      return driver;
    case 'host':
    case 'null':
      throw forbidden(`only one instance of "${driver}" network is allowed`);
    case 'overlay':
      throw forbidden(
        'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
        { hint: 'use the driver bridge on one host' },
      );
    default:
      throw notFound(`plugin ${JSON.stringify(driver)} not found`, { hint: 'use bridge, macvlan or ipvlan' });
  }
}

function enabledFamilies(
  request: NetworkCreate,
  from: Settings,
  options: Readonly<Record<string, string>>,
): Pick<NetworkRecord, 'enableIPv4' | 'enableIPv6'> {
  const enableIPv4 = from.enableIPv4 ?? request.enableIPv4 ?? familyOption(options, NetworkOption.enableIPv4) ?? true;
  const enableIPv6 = from.enableIPv6 ?? request.enableIPv6 ?? familyOption(options, NetworkOption.enableIPv6) ?? false;
  if (!enableIPv4 && !enableIPv6) throw invalidParameter('IPv4 or IPv6 must be enabled');
  return { enableIPv4, enableIPv6 };
}

function checkSubnets(subnets: readonly AskedSubnet[]): void {
  const problems = subnetProblems(subnets);
  if (problems.length > 0) throw invalidParameter(`invalid network config:\n${problems.join('\n')}`);
}

function checkIpam(
  kind: DriverName,
  driver: string | undefined,
  options: NetworkCreate['ipamOptions'],
  subnets: readonly AskedSubnet[],
): NetworkRecord['ipam'] {
  const name = driver || 'default';
  if (name !== 'default' && name !== 'null') {
    throw notFound(`plugin ${JSON.stringify(name)} not found`, { hint: 'use the IPAM driver default, or null' });
  }
  // With the driver null no container gets an address: it asks for one itself, as of a DHCP server.
  if (name === 'null') {
    if (subnets.length > 0) {
      throw invalidParameter('null ipam driver does not handle specific address pool requests', {
        hint: 'leave out --subnet',
      });
    }
    if (kind === 'bridge') {
      throw invalidParameter('ipv4 pool is empty', { hint: 'the IPAM driver null is for macvlan and ipvlan networks' });
    }
  }
  if (name === 'default' && options === undefined) return undefined;
  return { driver: name, options: options ?? null };
}
