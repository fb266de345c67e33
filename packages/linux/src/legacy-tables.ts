import { readFileSync } from 'node:fs';
import { check, libc, SystemCallError } from './ffi.ts';

const socketCall = libc('int socket(int domain, int type, int protocol)');
const getsockoptCall = libc('int getsockopt(int fd, int level, int name, void *value, _Inout_ uint32_t *length)');
const closeCall = libc('int close(int fd)');

const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0x80000;
const IPPROTO_RAW = 255;
/** The same numbers for both families. */
const GET_INFO = 64;
const GET_ENTRIES = 65;
const INFO_BYTES = 84;
const NAME_BYTES = 32;
const ENTRIES_AT = 40;
const HOOKS = 5;
const FORWARD = 2;
/** Verdicts are written as `-verdict - 1`. */
const DROP = -1;
const ACCEPT = -2;
/** A rule set that changes between its size and its content is asked for again, so often. */
const ATTEMPTS = 5;

/** Where the fields of a rule lie. @see ipt_entry and ip6t_entry of linux/netfilter_ipv4/ip_tables.h, linux/netfilter_ipv6/ip6_tables.h */
type Layout = {
  readonly family: number;
  readonly level: number;
  readonly tables: string;
  /** Bytes of the match on the IP header, whose links begin at `links`. */
  readonly header: number;
  readonly links: number;
  readonly entry: number;
};

const LAYOUTS: Readonly<Record<4 | 6, Layout>> = {
  4: { family: 2, level: 0, tables: '/proc/net/ip_tables_names', header: 84, links: 16, entry: 112 },
  6: { family: 10, level: 41, tables: '/proc/net/ip6_tables_names', header: 136, links: 64, entry: 168 },
};
const LINK_BYTES = 16;

/** What the forward chain of iptables-legacy does with what no rule of it knows. */
export type LegacyForward = {
  /** Its policy, or a last rule for everything, refuses. */
  readonly drops: boolean;
  /** Links from which, and to which, a rule lets everything pass. */
  readonly admitsFrom: ReadonlySet<string>;
  readonly admitsTo: ReadonlySet<string>;
};

/**
 * Reads the forward chain of iptables-legacy (ip_tables), whose tables lie beside nf_tables and are asked too. Undefined where
 * the table `filter` is not in use: it is not asked for then, since that would make it.
 * @throws SystemCallError
 */
export function legacyForward(family: 4 | 6): LegacyForward | undefined {
  const layout = LAYOUTS[family];
  if (!inUse(layout.tables)) return undefined;
  const fd = check(socketCall(layout.family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW), 'socket', 'raw');
  try {
    for (let attempt = 1; ; attempt++) {
      const info = ask(fd, layout.level, GET_INFO, named(INFO_BYTES));
      const size = info.readUInt32LE(INFO_BYTES - 4);
      const hook = (list: number): number => info.readUInt32LE(NAME_BYTES + 4 + 4 * (list * HOOKS + FORWARD));
      const request = named(ENTRIES_AT + size);
      request.writeUInt32LE(size, NAME_BYTES);
      try {
        const entries = ask(fd, layout.level, GET_ENTRIES, request).subarray(ENTRIES_AT);
        return read(entries, hook(0), hook(1), layout);
      } catch (error) {
        if (!(error instanceof SystemCallError && error.code === 'EAGAIN') || attempt === ATTEMPTS) throw error;
      }
    }
  } finally {
    closeCall(fd);
  }
}

function inUse(path: string): boolean {
  try {
    return readFileSync(path, 'utf8').split('\n').includes('filter');
  } catch {
    return false;
  }
}

function named(size: number): Buffer {
  const buffer = Buffer.alloc(size);
  buffer.write('filter');
  return buffer;
}

function ask(fd: number, level: number, option: number, buffer: Buffer): Buffer {
  check(getsockoptCall(fd, level, option, buffer, [buffer.length]), 'getsockopt', 'the table filter');
  return buffer;
}

/** The rules from `first` to the one at `policy`, which is the chain's policy. */
function read(entries: Buffer, first: number, policy: number, { header, links, entry }: Layout): LegacyForward {
  const admitsFrom = new Set<string>();
  const admitsTo = new Set<string>();
  let drops = false;
  for (let at = first; at <= policy; ) {
    const target = at + entries.readUInt16LE(at + header + 4);
    const next = entries.readUInt16LE(at + header + 6);
    const name = textAt(entries, target + 2, 29);
    const verdict = name === '' ? entries.readInt32LE(target + 32) : undefined;
    const matched = entries.subarray(at, at + header);
    // Without matches beyond the header.
    const plain = target === at + entry;
    if (verdict === ACCEPT && plain) {
      const [from, to] = [textAt(matched, links, LINK_BYTES), textAt(matched, links + LINK_BYTES, LINK_BYTES)];
      const others = Buffer.from(matched);
      others.fill(0, links, links + 4 * LINK_BYTES);
      if (others.every(byte => byte === 0) && (from === '') !== (to === '')) {
        (from === '' ? admitsTo : admitsFrom).add(from || to);
      }
    }
    // Of the policy too, when nothing before it is for everything.
    const refuses = verdict === DROP || name === 'REJECT';
    if (plain && matched.every(byte => byte === 0)) {
      drops = refuses;
      if (refuses || verdict === ACCEPT) break;
    }
    if (next === 0) break;
    at += next;
  }
  return { drops, admitsFrom, admitsTo };
}

function textAt(buffer: Buffer, at: number, size: number): string {
  const text = buffer.subarray(at, at + size);
  const end = text.indexOf(0);
  return text.toString('latin1', 0, end < 0 ? size : end);
}
