import { type Attribute, be32, bytes, hostOrder32, nest, text } from '../netlink/message.ts';
import { type Verdict, verdictAttributes } from './verdict.ts';

/** One step of a rule: it loads into registers, compares, or acts; a comparison that fails ends the rule. */
export type Expression = { readonly name: string; readonly attributes: readonly Attribute[] };

/** A 4-byte register, 0 to 15; longer values fill those that follow. */
export type Register = number;
const FIRST_REGISTER = 8;
const VERDICT_REGISTER = 0;

function register(type: number, number: Register): Attribute {
  return be32(type, FIRST_REGISTER + number);
}

const DATA = { value: 1, verdict: 2 } as const;

function data(type: number, value: Uint8Array): Attribute {
  return nest(type, [bytes(DATA.value, value)]);
}

const META = { nfproto: 15, l4proto: 16, iifname: 6, oifname: 7, mark: 3, iifkind: 26, oifkind: 27 } as const;

/** Loads what the kernel knows of a packet beside its bytes. */
export function meta(key: keyof typeof META, to: Register): Expression {
  return { name: 'meta', attributes: [be32(2, META[key]), register(1, to)] };
}

const BASE = { link: 0, network: 1, transport: 2 } as const;

/** Loads bytes of the packet. */
export function payload(base: keyof typeof BASE, offset: number, length: number, to: Register): Expression {
  return {
    name: 'payload',
    attributes: [register(1, to), be32(2, BASE[base]), be32(3, offset), be32(4, length)],
  };
}

/**
 * Writes a register over the packet's source or destination port and mends its checksum. The connection is not known to
 * the kernel by that: answers need a rule of their own.
 */
export function rewritePort(what: 'source' | 'destination', protocol: 'tcp' | 'udp', from: Register): Expression {
  const INTERNET_CHECKSUM = 1;
  return {
    name: 'payload',
    attributes: [
      be32(2, BASE.transport),
      be32(3, what === 'source' ? 0 : 2),
      be32(4, 2),
      register(5, from),
      be32(6, INTERNET_CHECKSUM),
      be32(7, protocol === 'tcp' ? 16 : 6),
    ],
  };
}

/** Goes on when the register has (or has not) this value. */
export function compare(operator: 'equal' | 'unequal', from: Register, value: Uint8Array): Expression {
  return {
    name: 'cmp',
    attributes: [register(1, from), be32(2, operator === 'equal' ? 0 : 1), data(3, value)],
  };
}

/** Masks a register in place. */
export function mask(at: Register, bits: Uint8Array): Expression {
  return {
    name: 'bitwise',
    attributes: [
      register(1, at),
      register(2, at),
      be32(3, bits.length),
      data(4, bits),
      data(5, new Uint8Array(bits.length)),
    ],
  };
}

/** Goes on when the set has the key in the register; of a map the value is loaded `to` a register or is the verdict. */
export function lookup(
  set: string,
  from: Register,
  options: { readonly to?: Register | 'verdict'; readonly absent?: boolean; readonly setId?: number } = {},
): Expression {
  const { to, absent, setId } = options;
  return {
    name: 'lookup',
    attributes: [
      text(1, set),
      register(2, from),
      ...(to === undefined ? [] : [to === 'verdict' ? be32(3, VERDICT_REGISTER) : register(3, to)]),
      ...(setId === undefined ? [] : [be32(4, setId)]),
      ...(absent ? [be32(5, 1)] : []),
    ],
  };
}

const CT = { state: 0, status: 2 } as const;

/** Loads a word of the packet's connection, in host order. */
export function connection(key: keyof typeof CT, to: Register): Expression {
  return { name: 'ct', attributes: [register(1, to), be32(2, CT[key])] };
}

/** Loads the kind of the destination (RTN_*), as the routing tables have it. */
export function destinationKind(to: Register): Expression {
  return { name: 'fib', attributes: [register(1, to), be32(2, 3), be32(3, 2)] };
}

export function immediate(to: Register, value: Uint8Array): Expression {
  return { name: 'immediate', attributes: [register(1, to), data(2, value)] };
}

export function decide(verdict: Verdict): Expression {
  return {
    name: 'immediate',
    attributes: [be32(1, VERDICT_REGISTER), nest(2, [nest(DATA.verdict, verdictAttributes(verdict))])],
  };
}

const NAT_MAPPED = 0x3;

/** Rewrites source or destination to the address (and port) in registers. */
export function translate(
  what: 'source' | 'destination',
  family: 'ipv4' | 'ipv6',
  registers: { readonly address: Register; readonly port?: Register },
): Expression {
  const { address, port } = registers;
  return {
    name: 'nat',
    attributes: [
      be32(1, what === 'source' ? 0 : 1),
      be32(2, family === 'ipv4' ? 2 : 10),
      register(3, address),
      ...(port === undefined ? [] : [register(5, port)]),
      be32(7, port === undefined ? 1 : NAT_MAPPED),
    ],
  };
}

/** Rewrites the source to the address of the link that the packet leaves by. */
export function masquerade(): Expression {
  return { name: 'masq', attributes: [] };
}

export function counter(): Expression {
  return { name: 'counter', attributes: [] };
}

/** A number as the kernel has it in registers loaded by `connection`, `destinationKind`. */
export const word = hostOrder32;
