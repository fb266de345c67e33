import { createHash, type Hash } from 'node:crypto';
import { invalidParameter } from '@gantry/errors';

/** `sha256:` (or sha384, sha512) and the hash in lower-case hexadecimal. */
export type Digest = string;

const LENGTHS = new Map([
  ['sha256', 64],
  ['sha384', 96],
  ['sha512', 128],
]);

const SHAPE = /^[A-Za-z0-9_+.-]+:[a-fA-F0-9]+$/;

/**
 * Checks that `text` is a digest of an algorithm that we can compute.
 * @throws invalidParameter in the wording of Docker's digest library
 * @see OCI image-spec, descriptor.md, "Digests"
 */
export function parseDigest(text: string): Digest {
  const { algorithm, hex } = digestParts(text);
  const length = LENGTHS.get(algorithm);
  if (!SHAPE.test(text)) throw invalidParameter('invalid checksum digest format');
  if (length === undefined) throw invalidParameter('unsupported digest algorithm');
  if (hex.length !== length) throw invalidParameter('invalid checksum digest length');
  if (!/^[a-f0-9]+$/.test(hex)) throw invalidParameter('invalid checksum digest format');
  return text;
}

/** Tells whether {@link parseDigest} accepts `text`. */
export function isDigest(text: unknown): text is Digest {
  if (typeof text !== 'string') return false;
  const { algorithm, hex } = digestParts(text);
  return LENGTHS.get(algorithm) === hex.length && /^[a-f0-9]+$/.test(hex);
}

/** Splits at the first colon; checks nothing. */
export function digestParts(digest: Digest): { readonly algorithm: string; readonly hex: string } {
  const colon = digest.indexOf(':');
  return { algorithm: digest.slice(0, Math.max(colon, 0)), hex: digest.slice(colon + 1) };
}

/** The sha256 digest of bytes held in memory. */
export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** A running hash of the algorithm that `digest` names. */
export function hashFor(digest: Digest): Hash {
  return createHash(digestParts(parseDigest(digest)).algorithm);
}

/**
 * The chain id of each layer: the first is its diff id, every other hashes its parent's chain id, a space and its diff id.
 * @see OCI image-spec, config.md, "Layer ChainID"
 */
export function chainIds(diffIds: readonly Digest[]): Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) {
    const parent = chain.at(-1);
    chain.push(parent === undefined ? diffId : digestOf(`${parent} ${diffId}`));
  }
  return chain;
}
