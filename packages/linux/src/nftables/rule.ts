import { type Attribute, bytes, type Message, NetlinkFlag, nest, text } from '../netlink/message.ts';
import type { Expression } from './expression.ts';
import { NftMessage, nftMessage } from './message.ts';
import type { Table } from './table.ts';

const RULE = { table: 1, chain: 2, handle: 3, expressions: 4, position: 6, userData: 7 } as const;
const LIST_ELEMENT = 1;
const EXPRESSION = { name: 1, data: 2 } as const;
const COMMENT = 0;

export type RuleOptions = {
  /** Shown by nft behind the rule; at most 127 bytes. */
  readonly comment?: string;
  /** Put it before the chain's rules, not after them. */
  readonly first?: boolean;
  /** Put it before the rule with this handle. */
  readonly before?: bigint;
};

/** Adds a rule to a chain. */
export function addRule(
  table: Table,
  chain: string,
  expressions: readonly Expression[],
  { comment, first, before }: RuleOptions = {},
): Message {
  const attributes: Attribute[] = [
    text(RULE.table, table.name),
    text(RULE.chain, chain),
    nest(
      RULE.expressions,
      expressions.map(({ name, attributes: list }) =>
        nest(LIST_ELEMENT, [text(EXPRESSION.name, name), nest(EXPRESSION.data, list)]),
      ),
    ),
    ...(before === undefined ? [] : [bytes(RULE.position, handleBytes(before))]),
    ...(comment === undefined ? [] : [bytes(RULE.userData, commentData(comment))]),
  ];
  return nftMessage(
    NftMessage.newRule,
    table.family,
    NetlinkFlag.create | (first || before !== undefined ? 0 : NetlinkFlag.append),
    attributes,
  );
}

/** Deletes the rule with this handle. @throws ENOENT */
export function deleteRule(table: Table, chain: string, handle: bigint): Message {
  return nftMessage(NftMessage.deleteRule, table.family, 0, [
    text(RULE.table, table.name),
    text(RULE.chain, chain),
    bytes(RULE.handle, handleBytes(handle)),
  ]);
}

/** Deletes all rules of a chain. @throws ENOENT when there is no such chain */
export function flushChain(table: Table, chain: string): Message {
  return nftMessage(NftMessage.deleteRule, table.family, 0, [text(RULE.table, table.name), text(RULE.chain, chain)]);
}

/** Asks for the rules of a chain, or of all chains of a table. */
export function getRules(table: Table, chain?: string): Message {
  return nftMessage(NftMessage.getRule, table.family, NetlinkFlag.dump, [
    text(RULE.table, table.name),
    ...(chain === undefined ? [] : [text(RULE.chain, chain)]),
  ]);
}

function handleBytes(handle: bigint): Uint8Array {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64BE(handle);
  return buffer;
}

/** @see libnftnl, udata.h, NFTNL_UDATA_RULE_COMMENT */
function commentData(comment: string): Uint8Array {
  const value = Buffer.from(`${comment}\0`);
  return Buffer.concat([Uint8Array.of(COMMENT, value.length), value]);
}
