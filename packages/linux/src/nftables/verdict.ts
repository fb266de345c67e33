import { type Attribute, be32, text } from '../netlink/message.ts';

export type Verdict =
  | { readonly verdict: 'accept' | 'drop' | 'return' | 'continue' }
  | { readonly verdict: 'jump' | 'goto'; readonly chain: string };

/** @see linux/netfilter.h, linux/netfilter/nf_tables.h */
const CODE = { drop: 0, accept: 1, continue: -1, jump: -3, goto: -4, return: -5 } as const;

export function verdictAttributes(verdict: Verdict): Attribute[] {
  return [be32(1, CODE[verdict.verdict]), ...('chain' in verdict ? [text(2, verdict.chain)] : [])];
}
