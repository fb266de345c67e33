import type { Endpoint, Protocol } from '../face.ts';

/** Where a packet's way begins or ends. */
export type PathEnd =
  | {
      readonly kind: 'container';
      readonly name: string;
      readonly endpoints: readonly Endpoint[];
      readonly port?: number;
    }
  /** This machine itself. */
  | { readonly kind: 'host'; readonly port?: number }
  /** Some machine beyond this one, whatever its address. */
  | { readonly kind: 'outside'; readonly port?: number }
  | { readonly kind: 'address'; readonly address: string; readonly port?: number };

/** One place on the way. */
export type PathStep = {
  readonly place: string;
  /** What happens there, as `destination becomes 172.17.0.2:80`. */
  readonly what: string;
  /** The packet may be, or is, stopped here. */
  readonly verdict?: 'drops' | 'unsure';
};

export type PacketPath = {
  readonly from: string;
  readonly to: string;
  readonly protocol: Protocol;
  readonly steps: readonly PathStep[];
  /** `unsure`: it depends on rules of others that are not evaluated here. */
  readonly verdict: 'arrives' | 'dropped' | 'unsure';
  readonly hint?: string;
};

export type PathRequest = { readonly from: PathEnd; readonly to: PathEnd; readonly protocol: Protocol };
