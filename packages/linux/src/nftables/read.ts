import type { ParsedMessage } from '../netlink/parse.ts';
import { attributeList, attributeText, parseAttributes } from '../netlink/parse.ts';
import { NFTABLES, NftMessage } from './message.ts';

const HEADER_BYTES = 4;

/** The name of the table that a message tells of. */
export function parseTable(message: ParsedMessage): string | undefined {
  if (message.type !== ((NFTABLES << 8) | NftMessage.newTable)) return undefined;
  return attributeText(parseAttributes(message.payload, HEADER_BYTES).get(1));
}

export type ReadChain = {
  readonly table: string;
  readonly name: string;
  /** Of chains that packets meet by themselves. */
  readonly base: { readonly hook: number; readonly priority: number; readonly policy: 'accept' | 'drop' } | undefined;
};

export function parseChain(message: ParsedMessage): ReadChain | undefined {
  if (message.type !== ((NFTABLES << 8) | NftMessage.newChain)) return undefined;
  const attributes = parseAttributes(message.payload, HEADER_BYTES);
  const hook = attributes.get(4);
  const hookAttributes = hook && parseAttributes(hook);
  return {
    table: attributeText(attributes.get(1)),
    name: attributeText(attributes.get(3)),
    base: hookAttributes && {
      hook: hookAttributes.get(1)?.readUInt32BE(0) ?? 0,
      priority: hookAttributes.get(2)?.readInt32BE(0) ?? 0,
      policy: attributes.get(5)?.readUInt32BE(0) === 0 ? 'drop' : 'accept',
    },
  };
}

export type ReadRule = {
  readonly table: string;
  readonly chain: string;
  readonly handle: bigint;
  readonly comment: string;
  /** It has no condition and returns to the calling chain. */
  readonly returns: boolean;
  /** It has no condition and drops or rejects. */
  readonly refuses: boolean;
};

const RETURN = -5;
const DROP = 0;

export function parseRule(message: ParsedMessage): ReadRule | undefined {
  if (message.type !== ((NFTABLES << 8) | NftMessage.newRule)) return undefined;
  const attributes = parseAttributes(message.payload, HEADER_BYTES);
  const data = attributes.get(7);
  return {
    table: attributeText(attributes.get(1)),
    chain: attributeText(attributes.get(2)),
    handle: attributes.get(3)?.readBigUInt64BE(0) ?? 0n,
    comment: data && data[0] === 0 ? attributeText(data.subarray(2)) : '',
    returns: onlyVerdict(attributes.get(4)) === RETURN,
    refuses: onlyVerdict(attributes.get(4)) === DROP,
  };
}

/** The verdict of a rule without conditions; to reject is to drop. */
function onlyVerdict(expressions: Buffer | undefined): number | undefined {
  const all = expressions ? attributeList(expressions).map(([, value]) => parseAttributes(value)) : [];
  const acting = all.filter(expression => !['counter', 'log'].includes(attributeText(expression.get(1))));
  const [only] = acting;
  if (acting.length !== 1) return undefined;
  const name = attributeText(only?.get(1));
  if (name === 'reject') return DROP;
  if (name !== 'immediate') return undefined;
  const value = inner(inner(only?.get(2), 2), 2);
  return value && parseAttributes(value).get(1)?.readInt32BE(0);
}

function inner(value: Buffer | undefined, type: number): Buffer | undefined {
  return value && parseAttributes(value).get(type);
}

/** What an event of the kernel is about. */
export type RulesetEvent = { readonly table: string; readonly kind: 'table' | 'chain' | 'rule' | 'other' };

export function parseEvent(message: ParsedMessage): RulesetEvent | undefined {
  if (message.type >> 8 !== NFTABLES) return undefined;
  const type = message.type & 0xff;
  const kind = type <= 2 ? 'table' : type <= 5 ? 'chain' : type <= 8 ? 'rule' : 'other';
  return { table: attributeText(parseAttributes(message.payload, HEADER_BYTES).get(1)), kind };
}

export type ReadElement = {
  readonly key: Buffer;
  /** In interval sets of concatenated keys: the last value of each field. */
  readonly last?: Buffer;
  readonly value: Buffer | undefined;
};

/** The elements that a message of a dump has. */
export function parseElements(message: ParsedMessage): ReadElement[] {
  if (message.type !== ((NFTABLES << 8) | NftMessage.newElement)) return [];
  const list = parseAttributes(message.payload, HEADER_BYTES).get(3);
  if (!list) return [];
  return attributeList(list).flatMap(([, element]) => {
    const attributes = parseAttributes(element);
    const key = attributes.get(1);
    const data = attributes.get(2);
    const keyValue = key && parseAttributes(key).get(1);
    const end = attributes.get(10);
    const last = end && parseAttributes(end).get(1);
    return keyValue ? [{ key: keyValue, ...(last ? { last } : {}), value: data && parseAttributes(data).get(1) }] : [];
  });
}
