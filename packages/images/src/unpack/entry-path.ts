import { invalidParameter } from '@gantry/errors';
import { file } from '@gantry/linux';
import type { ByteString } from '../tar/entry.ts';

/** A cleaned path below a layer's root: no leading slash, no empty, `.` or `..` part; the root itself is empty. */
export type LayerPath = ByteString;

/**
 * Cleans a name out of an archive. An absolute one is taken below the root.
 * @throws invalidParameter when it climbs out of the root, or is longer than the kernel allows
 */
export function cleanEntryName(name: ByteString): LayerPath {
  if (name.length > 65536) throw invalidParameter('a name in the archive is too long');
  const parts: string[] = [];
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) {
      throw invalidParameter(
        `invalid name in archive: ${JSON.stringify(file.displayName(name))} leads out of the root`,
      );
    }
  }
  return parts.join('/');
}

export function parentOf(path: LayerPath): LayerPath {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

export function baseOf(path: LayerPath): ByteString {
  return path.slice(path.lastIndexOf('/') + 1);
}

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

/** What a file's name means in a layer. @see OCI image-spec, layer.md, "Whiteouts" */
export type Meaning =
  | { readonly kind: 'plain' }
  /** Hides `hidden` of the layers below. */
  | { readonly kind: 'whiteout'; readonly hidden: ByteString }
  /** Hides all that the layers below have in this directory. */
  | { readonly kind: 'opaque' }
  /** Left-overs of aufs, which mean nothing. */
  | { readonly kind: 'ignored' };

/** @throws invalidParameter for a whiteout of nothing, of `.` or of `..` */
export function meaningOf(base: ByteString): Meaning {
  if (!base.startsWith(WHITEOUT)) return { kind: 'plain' };
  if (base === OPAQUE) return { kind: 'opaque' };
  if (base.startsWith(WHITEOUT + WHITEOUT)) return { kind: 'ignored' };
  const hidden = base.slice(WHITEOUT.length);
  if (hidden === '' || hidden === '.' || hidden === '..') {
    throw invalidParameter(`invalid whiteout in archive: ${JSON.stringify(file.displayName(base))}`);
  }
  return { kind: 'whiteout', hidden };
}
