import { isIP } from 'node:net';
import { forbidden, invalidParameter, systemError } from '@gantry/errors';
import { BridgeOption, NetworkOption } from './bridge-options.ts';
import type { NetworkRecord } from './face.ts';

type Options = Readonly<Record<string, string>>;

/** Longest name of a link. @see linux/if.h, IFNAMSIZ */
const MAX_LINK_NAME = 15;
const BOOLEAN = /^(1|t|T|TRUE|true|True|0|f|F|FALSE|false|False)$/;
const GATEWAY_MODES: ReadonlySet<string> = new Set(['nat', 'nat-unprotected', 'routed', 'isolated']);
/** MTUs that the kernel takes. @see linux/if_ether.h, ETH_MIN_MTU and ETH_MAX_MTU */
const MTU = { least: 68, most: 65535 } as const;

/** An option that is on unless it says otherwise, in any of Go's words. */
export function isOn(value: string | undefined, byDefault = true): boolean {
  return value === undefined || value === '' ? byDefault : /^[1t]/i.test(value);
}

/** The MTU of a network's links; 1500 when nothing is said, or 0. */
export function mtuOf(options: Options): number {
  return Number(options[NetworkOption.mtu] ?? 0) || 1500;
}

/** What an option says about a family, undefined when it says nothing. @throws invalidParameter */
export function familyOption(options: Options, key: string): boolean | undefined {
  const value = options[key];
  if (value === undefined) return undefined;
  if (!BOOLEAN.test(value)) throw invalidParameter(`driver-opt ${JSON.stringify(key)} is not a valid bool`);
  return isOn(value);
}

/**
 * Checks the options of a bridge network in dockerd's words; those that a bridge has no use for are kept, as there.
 * @throws invalidParameter, forbidden (a bridge that another network has), system
 */
export function checkBridgeOptions(
  { id, options, internal }: Pick<NetworkRecord, 'id' | 'options' | 'internal'>,
  others: readonly NetworkRecord[],
): void {
  for (const key of [BridgeOption.icc, BridgeOption.masquerade, BridgeOption.inhibitIPv4]) {
    const value = options[key];
    if (value !== undefined && !BOOLEAN.test(value)) {
      throw invalidParameter(
        `failed to parse ${key} value: ${value} (strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax)`,
      );
    }
  }
  checkMtu(options);
  for (const key of [BridgeOption.hostBinding, BridgeOption.hostIPv4, BridgeOption.hostIPv6]) {
    const value = options[key];
    const family = key === BridgeOption.hostBinding ? undefined : key === BridgeOption.hostIPv4 ? 4 : 6;
    if (value !== undefined && (isIP(value) === 0 || (family !== undefined && isIP(value) !== family))) {
      throw invalidParameter(`failed to parse ${key} value: ${value} (nil ip)`, {
        hint: family === undefined ? 'give an IP address' : `give an IPv${family} address of this host`,
      });
    }
  }
  for (const key of [BridgeOption.gatewayMode, BridgeOption.gatewayMode6]) {
    const value = options[key];
    if (value === undefined) continue;
    if (!GATEWAY_MODES.has(value)) {
      throw invalidParameter(`failed to parse ${key} value: ${value} (unknown gateway mode ${value})`);
    }
    if (value === 'isolated' && !internal) {
      throw systemError("gateway mode 'isolated' can only be used for an internal network", { hint: 'add --internal' });
    }
  }
  checkBridgeName(id, options[BridgeOption.name], others);
}

/** @throws invalidParameter in dockerd's words, system for what the kernel would not take */
export function checkMtu(options: Options): void {
  const value = options[NetworkOption.mtu];
  if (value === undefined) return;
  if (!/^[+-]?\d+$/.test(value)) {
    throw invalidParameter(
      `failed to parse ${NetworkOption.mtu} value: ${value} (strconv.Atoi: parsing ${JSON.stringify(value)}: invalid syntax)`,
    );
  }
  const mtu = Number(value);
  if (mtu < 0) throw invalidParameter(`invalid MTU number: ${mtu}`);
  if (mtu !== 0 && (mtu < MTU.least || mtu > MTU.most)) {
    throw systemError('invalid argument', { hint: `an MTU is between ${MTU.least} and ${MTU.most} bytes` });
  }
}

function checkBridgeName(id: string, bridge: string | undefined, others: readonly NetworkRecord[]): void {
  if (bridge === undefined || bridge === '') return;
  if (!isLinkName(bridge)) {
    throw invalidParameter(`invalid bridge name ${JSON.stringify(bridge)}`, {
      hint: `a link's name has at most ${MAX_LINK_NAME} characters, without spaces, slashes and colons`,
    });
  }
  const owner = others.find(other => other.driver === 'bridge' && other.options[BridgeOption.name] === bridge);
  if (owner) {
    throw forbidden(
      `cannot create network ${id} (${bridge}): conflicts with network ${owner.id} (${bridge}): networks have same bridge name`,
      { hint: 'choose another bridge name, or leave it out' },
    );
  }
}

/** Whether the kernel takes it for a link. @see net/core/dev.c, dev_valid_name */
export function isLinkName(name: string): boolean {
  return name !== '' && name.length <= MAX_LINK_NAME && name !== '.' && name !== '..' && !/[\s/:]/.test(name);
}
