import { netlink, nftables as nft } from '@gantry/linux';

/** NFNLGRP_NFTABLES. @see linux/netfilter/nfnetlink.h */
const GROUP = 7;

/** Tells of changes to the rules of this host, whoever made them. */
export type RulesetWatch = Disposable & {
  /** Whether tables, chains or rules (not elements) changed since the last call. Microseconds. */
  readonly changed: () => boolean;
};

export function watchRuleset(): RulesetWatch {
  const socket = new netlink.NetlinkSocket(netlink.NetlinkProtocol.netfilter);
  socket.subscribe(GROUP);
  return {
    changed: () => {
      const events = socket.events();
      if (!events) return true;
      return events.some(message => {
        const kind = nft.parseEvent(message)?.kind;
        return kind !== undefined && kind !== 'other';
      });
    },
    [Symbol.dispose]: () => socket[Symbol.dispose](),
  };
}
