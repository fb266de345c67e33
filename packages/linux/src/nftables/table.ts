import { type Attribute, be32, type Message, NetlinkFlag, nest, text } from '../netlink/message.ts';
import { type FamilyNumber, NftMessage, nftMessage } from './message.ts';

const TABLE_NAME = 1;
const CHAIN = { table: 1, name: 3, hook: 4, policy: 5, type: 7 } as const;
const HOOK = { number: 1, priority: 2 } as const;

export type Table = { readonly family: FamilyNumber; readonly name: string };

/** Where packets meet a chain. @see nft(8), "Netfilter hooks into Linux networking packet flows" */
export const Hook = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;

export type BaseChain = {
  readonly type: 'filter' | 'nat' | 'route';
  readonly hook: keyof typeof Hook;
  readonly priority: number;
  readonly policy?: 'accept' | 'drop';
};

/** Adds a table; nothing happens when it exists. */
export function addTable({ family, name }: Table): Message {
  return nftMessage(NftMessage.newTable, family, NetlinkFlag.create, [text(TABLE_NAME, name)]);
}

/** Deletes a table with all that is in it. @throws ENOENT */
export function deleteTable({ family, name }: Table): Message {
  return nftMessage(NftMessage.deleteTable, family, 0, [text(TABLE_NAME, name)]);
}

/** Adds a chain; one without `base` is reached by jumps only. */
export function addChain(table: Table, name: string, base?: BaseChain): Message {
  const attributes: Attribute[] = [text(CHAIN.table, table.name), text(CHAIN.name, name)];
  if (base) {
    attributes.push(
      nest(CHAIN.hook, [be32(HOOK.number, Hook[base.hook]), be32(HOOK.priority, base.priority)]),
      text(CHAIN.type, base.type),
      be32(CHAIN.policy, base.policy === 'drop' ? 0 : 1),
    );
  }
  return nftMessage(NftMessage.newChain, table.family, NetlinkFlag.create, attributes);
}

/** Asks for all tables of a family. */
export function getTables(family: FamilyNumber): Message {
  return nftMessage(NftMessage.getTable, family, NetlinkFlag.dump, []);
}

/** Asks for all chains of a family. */
export function getChains(family: FamilyNumber): Message {
  return nftMessage(NftMessage.getChain, family, NetlinkFlag.dump, []);
}
