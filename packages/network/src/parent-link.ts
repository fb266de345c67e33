import { forbidden, isGantryError, systemError } from '@gantry/errors';
import { describeErrno, netlink } from '@gantry/linux';
import type { Launcher, Step } from '@gantry/runtime';
import type { NetworkRecord } from './face.ts';
import type { HostView } from './host-view.ts';
import { checkMtu, isLinkName } from './network-options.ts';
import { routeStep } from './step.ts';

const MACVLAN_MODES: ReadonlySet<string> = new Set(['private', 'vepa', 'bridge', 'passthru']);
const IPVLAN_MODES: ReadonlySet<string> = new Set(['l2', 'l3', 'l3s']);
const IPVLAN_FLAGS: ReadonlySet<string> = new Set(['bridge', 'private', 'vepa']);
const MAX_VLAN_ID = 4094;
const ENODEV = 19;
const EEXIST = 17;

/** The mode of a macvlan network. */
export function macvlanMode({ options }: Pick<NetworkRecord, 'options'>): netlink.MacvlanMode {
  return (options.macvlan_mode || 'bridge') as netlink.MacvlanMode;
}

export function ipvlanMode({ options }: Pick<NetworkRecord, 'options'>): netlink.IpvlanMode {
  return (options.ipvlan_mode || 'l2') as netlink.IpvlanMode;
}

export function ipvlanFlag({ options }: Pick<NetworkRecord, 'options'>): netlink.IpvlanFlag {
  return (options.ipvlan_flag || 'bridge') as netlink.IpvlanFlag;
}

/**
 * Checks the options of a macvlan or ipvlan network in dockerd's words.
 * @throws system (a mode, a parent that cannot be), forbidden (a parent that another network has for itself)
 */
export function checkSubInterfaceOptions(network: NetworkRecord, others: readonly NetworkRecord[]): void {
  const { driver, options } = network;
  const check = (what: string, value: string | undefined, all: ReadonlySet<string>, fallback: string): void => {
    if (value === undefined || value === '' || all.has(value)) return;
    const kind = what.split(' ')[1] ?? '';
    throw systemError(
      `requested ${what} '${value}' is not valid, '${fallback}'${kind === 'flag' ? '' : ' mode'} is the ${driver} driver default`,
    );
  };
  if (driver === 'macvlan') check('macvlan mode', options.macvlan_mode, MACVLAN_MODES, 'bridge');
  else {
    check('ipvlan mode', options.ipvlan_mode, IPVLAN_MODES, 'l2');
    check('ipvlan flag', options.ipvlan_flag, IPVLAN_FLAGS, 'bridge');
  }
  checkMtu(options);
  const { parent } = options;
  if (!parent) return;
  if (parent === 'lo') throw systemError(`loopback interface is not a valid ${driver} parent link`);
  checkPassthru(network, parent, others);
}

/** A parent that is passed through is one container's alone. */
function checkPassthru(network: NetworkRecord, parent: string, others: readonly NetworkRecord[]): void {
  if (network.driver !== 'macvlan') return;
  const passthru = macvlanMode(network) === 'passthru';
  for (const other of others) {
    if (other.driver !== 'macvlan' || other.options.parent !== parent) continue;
    if (passthru) {
      throw forbidden(
        `cannot use mode passthru, macvlan network ${other.id} is already using parent interface ${parent}`,
      );
    }
    if (macvlanMode(other) === 'passthru') {
      throw forbidden(`macvlan network ${other.id} is already using parent interface ${parent} in mode passthru`);
    }
  }
}

/** The link that a network's containers send through; one that is only the network's is made, and later removed. */
export type ParentLink = {
  readonly name: string;
  /** How it is made, when it is not there. */
  readonly made: 'dummy' | 'vlan' | undefined;
};

/** @throws system in dockerd's words, for a parent that is not there and cannot be made */
export function parentOf({ id, options }: Pick<NetworkRecord, 'id' | 'options'>, view: HostView): ParentLink {
  const { parent } = options;
  if (!parent) return { name: dummyName(id), made: 'dummy' };
  if (view.links.some(link => link.name === parent)) return { name: parent, made: undefined };
  vlanOf(parent, view);
  return { name: parent, made: 'vlan' };
}

/** `dm-` and the network's id: the parent of a network without one, which leads nowhere. */
export function dummyName(networkId: string): string {
  return `dm-${networkId.slice(0, 12)}`;
}

/** `eth0.10`: the VLAN 10 of eth0. */
function vlanOf(name: string, view: HostView): { readonly id: number; readonly parent: number } {
  if (!name.includes('.')) {
    throw systemError(`invalid subinterface vlan name ${name}, example formatting is eth0.10`, {
      hint: 'name a link of this host, or a VLAN of one',
    });
  }
  const [parent = '', tag = '', ...more] = name.split('.');
  if (more.length > 0) {
    throw systemError(
      `required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received ${name}`,
    );
  }
  if (!/^[+-]?\d+$/.test(tag)) {
    throw systemError(`unable to parse a valid vlan id from: ${tag} (ex. eth0.10 for vlan 10)`);
  }
  const id = Number(tag);
  if (id < 1 || id > MAX_VLAN_ID) {
    throw systemError(`vlan id must be between 1-${MAX_VLAN_ID}, received: ${id}`);
  }
  const link = view.links.find(one => one.name === parent);
  if (!link) throw systemError(`-o parent interface was not found on the host: ${parent}`);
  if (!isLinkName(name)) throw systemError(`invalid subinterface vlan name ${name}, example formatting is eth0.10`);
  return { id, parent: link.index };
}

/** Makes a parent that is missing, up; tolerates that somebody made it meanwhile. @throws system */
export async function makeParent(parent: ParentLink, run: Launcher['run'], view: HostView): Promise<void> {
  if (parent.made === undefined) return;
  const { name } = parent;
  if (parent.made === 'dummy') {
    await creating(
      run,
      routeStep([netlink.createDummy(name, { up: true })], [EEXIST]),
      `failed to create the dummy link ${name}`,
    );
    return;
  }
  const vlan = vlanOf(name, view);
  const message = netlink.createVlan(name, vlan.id, { parent: vlan.parent, up: true });
  await creating(run, routeStep([message], [EEXIST]), `failed to create ${name} vlan link`);
}

async function creating(run: Launcher['run'], step: Step, what: string): Promise<void> {
  try {
    await run([step]);
  } catch (error) {
    const cause = isGantryError(error) ? error.cause : error;
    const errno = typeof cause === 'object' && cause !== null && 'errno' in cause ? Number(cause.errno) : 0;
    throw systemError(`${what}: ${errno === 0 ? String(error) : describeErrno(errno)}`, {
      cause: error,
      hint: 'this kernel may lack such links; name one that is there with -o parent=NAME',
    });
  }
}

/** Removes a parent that was made. */
export async function removeParent(name: string, run: Launcher['run']): Promise<void> {
  await run([routeStep([netlink.deleteLink({ name })], [ENODEV])]);
}
