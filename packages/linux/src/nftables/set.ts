import { type Attribute, be32, bytes, type Message, NetlinkFlag, nest, text } from '../netlink/message.ts';
import { NftMessage, nftMessage } from './message.ts';
import type { Table } from './table.ts';
import type { DataType } from './value.ts';
import { type Verdict, verdictAttributes } from './verdict.ts';

const SET = {
  table: 1,
  name: 2,
  flags: 3,
  keyType: 4,
  keyLength: 5,
  dataType: 6,
  dataLength: 7,
  description: 9,
  id: 10,
  userData: 13,
} as const;
const DESCRIPTION_CONCAT = 2;
const FIELD_LENGTH = 1;
const FLAG = { interval: 0x4, map: 0x8, concat: 0x80 } as const;
const LIST = { table: 1, set: 2, elements: 3 } as const;
const ELEMENT = { key: 1, data: 2, flags: 3, keyEnd: 10 } as const;
const DATA = { value: 1, verdict: 2 } as const;
const INTERVAL_END = 1;
const VERDICT_TYPE = 0xffffff00;
/** Elements in one message: the list is an attribute, whose length has 16 bits. */
const CHUNK = 256;
const USER_DATA = { keyOrder: 0, dataOrder: 1 } as const;
const ORDER = { none: 0, host: 1, network: 2 } as const;

export type SetDefinition = {
  readonly name: string;
  readonly key: DataType;
  /** With a value for each key the set is a map; `verdict` makes it a verdict map. */
  readonly value?: DataType | 'verdict';
  /** Elements are ranges of keys; of a concatenated key each field is a range. */
  readonly interval?: boolean;
};

export type SetElement = {
  readonly key: Uint8Array;
  /** In interval sets: the first key after the range. */
  readonly until?: Uint8Array;
  /** In interval sets of concatenated keys: the last value of each field. */
  readonly last?: Uint8Array;
  readonly value?: Uint8Array | Verdict;
};

/** Adds a set or map. `id` is a number of its own within the transaction. */
export function addSet(table: Table, { name, key, value, interval }: SetDefinition, id: number): Message {
  const attributes: Attribute[] = [
    text(SET.table, table.name),
    text(SET.name, name),
    be32(
      SET.flags,
      (interval ? FLAG.interval : 0) | (interval && key.fields ? FLAG.concat : 0) | (value ? FLAG.map : 0),
    ),
    be32(SET.keyType, key.id),
    be32(SET.keyLength, key.bytes),
    be32(SET.id, id),
    ...(interval && key.fields ? [nest(SET.description, [fieldLengths(key.fields)])] : []),
  ];
  if (value === 'verdict') attributes.push(be32(SET.dataType, VERDICT_TYPE), be32(SET.dataLength, 16));
  else if (value) attributes.push(be32(SET.dataType, value.id), be32(SET.dataLength, value.bytes));
  const orders = [
    userData(USER_DATA.keyOrder, ORDER[key.order]),
    ...(value && value !== 'verdict' ? [userData(USER_DATA.dataOrder, ORDER[value.order])] : []),
  ];
  attributes.push(bytes(SET.userData, Buffer.concat(orders)));
  return nftMessage(NftMessage.newSet, table.family, NetlinkFlag.create, attributes);
}

function fieldLengths(fields: readonly DataType[]): Attribute {
  return nest(
    DESCRIPTION_CONCAT,
    fields.map(({ bytes: length }) => nest(1, [be32(FIELD_LENGTH, length)])),
  );
}

/** Takes all elements out of a set. @throws ENOENT when there is no such set */
export function flushSet(table: Table, set: string): Message {
  return nftMessage(NftMessage.deleteElement, table.family, 0, [text(LIST.table, table.name), text(LIST.set, set)]);
}

/** Adds elements; one that is there already with the same value is left as it is. @throws EEXIST (another value) */
export function addElements(table: Table, set: string, elements: readonly SetElement[]): Message[] {
  return elementMessages(NftMessage.newElement, NetlinkFlag.create, table, set, elements);
}

/** @throws ENOENT when one is not there */
export function deleteElements(table: Table, set: string, elements: readonly SetElement[]): Message[] {
  return elementMessages(NftMessage.deleteElement, 0, table, set, elements);
}

/** Asks for all elements of a set. */
export function getElements(table: Table, set: string): Message {
  return nftMessage(NftMessage.getElement, table.family, NetlinkFlag.dump, [
    text(LIST.table, table.name),
    text(LIST.set, set),
  ]);
}

function elementMessages(
  type: number,
  flags: number,
  table: Table,
  set: string,
  elements: readonly SetElement[],
): Message[] {
  const messages: Message[] = [];
  for (let start = 0; start < elements.length; start += CHUNK) {
    messages.push(
      nftMessage(type, table.family, flags, [
        text(LIST.table, table.name),
        text(LIST.set, set),
        nest(LIST.elements, elements.slice(start, start + CHUNK).flatMap(elementAttributes)),
      ]),
    );
  }
  return messages;
}

function elementAttributes({ key, until, last, value }: SetElement): Attribute[] {
  const attributes = [nest(ELEMENT.key, [bytes(DATA.value, key)])];
  if (last) attributes.push(nest(ELEMENT.keyEnd, [bytes(DATA.value, last)]));
  if (value instanceof Uint8Array) attributes.push(nest(ELEMENT.data, [bytes(DATA.value, value)]));
  else if (value) attributes.push(nest(ELEMENT.data, [nest(DATA.verdict, verdictAttributes(value))]));
  const first = nest(1, attributes);
  if (!until) return [first];
  return [first, nest(1, [nest(ELEMENT.key, [bytes(DATA.value, until)]), be32(ELEMENT.flags, INTERVAL_END)])];
}

/** What nft needs to print keys and values in their order. @see libnftnl, udata.h */
function userData(type: number, value: number): Uint8Array {
  return Uint8Array.of(type, 4, value, 0, 0, 0);
}
