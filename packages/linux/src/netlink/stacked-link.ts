import { type LinkSettings, newStackedLink, type TargetNamespace } from './link.ts';
import { type Message, u16, u32 } from './message.ts';

/** @see linux/if_link.h */
const MACVLAN_MODE = { attribute: 1, private: 1, vepa: 2, bridge: 4, passthru: 8 } as const;
const IPVLAN_MODE = { attribute: 1, l2: 0, l3: 1, l3s: 2 } as const;
const IPVLAN_FLAG = { attribute: 2, bridge: 0, private: 1, vepa: 2 } as const;
const VLAN_ID = 1;

export type MacvlanMode = 'private' | 'vepa' | 'bridge' | 'passthru';
export type IpvlanMode = 'l2' | 'l3' | 'l3s';
export type IpvlanFlag = 'bridge' | 'private' | 'vepa';

/** A link that sends and receives through another one, the index of which is `parent`; made in `namespace` when given. */
export type StackedLink = LinkSettings & { readonly parent: number; readonly namespace?: TargetNamespace };

/** @throws EBUSY (the parent is a bridge's port, or has an ipvlan or a passthru link), EINVAL (a loopback parent) */
export function createMacvlan(name: string, mode: MacvlanMode, link: StackedLink): Message {
  return newStackedLink(name, 'macvlan', link, [u32(MACVLAN_MODE.attribute, MACVLAN_MODE[mode])]);
}

/** @throws EBUSY (the parent has macvlan links), EOPNOTSUPP (a kernel without ipvlan) */
export function createIpvlan(name: string, mode: IpvlanMode, flag: IpvlanFlag, link: StackedLink): Message {
  return newStackedLink(name, 'ipvlan', link, [
    u16(IPVLAN_MODE.attribute, IPVLAN_MODE[mode]),
    u16(IPVLAN_FLAG.attribute, IPVLAN_FLAG[flag]),
  ]);
}

/** Frames with the 802.1Q tag `id` of another link. @throws EEXIST, EOPNOTSUPP (a kernel without VLANs) */
export function createVlan(name: string, id: number, link: StackedLink): Message {
  return newStackedLink(name, 'vlan', link, [u16(VLAN_ID, id)]);
}

/** A link that drops what it is given. @throws EOPNOTSUPP (a kernel without dummy links) */
export function createDummy(name: string, settings: LinkSettings = {}): Message {
  return newStackedLink(name, 'dummy', settings, []);
}
