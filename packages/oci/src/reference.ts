import { invalidParameter } from '@gantry/errors';
import { type Digest, isDigest, parseDigest } from './digest.ts';

/** A normalised image reference: `busybox` is docker.io, library/busybox, without tag and digest. */
export type Reference = {
  /** Registry host with its port; `docker.io` for Docker Hub. */
  readonly domain: string;
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
};

/** What a user may name an image by: a reference, or the image's own digest. */
export type AnyReference =
  | { readonly kind: 'name'; readonly reference: Reference }
  | { readonly kind: 'id'; readonly digest: Digest };

const HUB = 'docker.io';
const OLD_HUB = 'index.docker.io';
const OFFICIAL = 'library/';
const MAX_PATH_LENGTH = 255;

// The grammar of distribution/reference: https://pkg.go.dev/github.com/distribution/reference
const LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const HOST = `(?:${LABEL}(?:\\.${LABEL})*|\\[(?:[a-fA-F0-9:]+)\\])(?::[0-9]+)?`;
const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*';
const PATH = `${COMPONENT}(?:/${COMPONENT})*`;
const TAG = '[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}';
const DIGEST = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}';
const REFERENCE = new RegExp(`^((?:${HOST}/)?${PATH})(?::(${TAG}))?(?:@(${DIGEST}))?$`);
const NAME = new RegExp(`^(?:(${HOST})/)?(${PATH})$`);
const WHOLE_TAG = new RegExp(`^${TAG}$`);
const HEX_ID = /^[a-f0-9]{64}$/;
// The expressions above backtrack little, but a reference has no business being longer than this anyway.
const MAX_LENGTH = 4096;

/**
 * Reads what a user typed as an image name and normalises it as Docker does.
 * @throws invalidParameter with Docker's wording
 */
export function parseReference(text: string): Reference {
  if (HEX_ID.test(text)) {
    throw invalidParameter(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  }
  const { domain, rest } = splitDomain(text);
  const colon = rest.indexOf(':');
  const remote = colon < 0 ? rest : rest.slice(0, colon);
  if (remote.toLowerCase() !== remote) {
    throw invalidParameter(`invalid reference format: repository name (${remote}) must be lowercase`);
  }
  return parseFull(`${domain}/${rest}`);
}

/** Reads a name, a full image id (64 hex digits) or a digest. @throws invalidParameter with Docker's wording */
export function parseAnyReference(text: string): AnyReference {
  if (HEX_ID.test(text)) return { kind: 'id', digest: `sha256:${text}` };
  if (isDigest(text)) return { kind: 'id', digest: text };
  return { kind: 'name', reference: parseReference(text) };
}

function parseFull(text: string): Reference {
  const match = text.length > MAX_LENGTH ? null : REFERENCE.exec(text);
  if (!match) {
    const lower = text.length <= MAX_LENGTH && REFERENCE.test(text.toLowerCase());
    throw invalidParameter(lower ? 'repository name must be lowercase' : 'invalid reference format');
  }
  const [, name = '', tag, digest] = match;
  const [, domain = '', path = name] = NAME.exec(name) ?? [];
  if (path.length > MAX_PATH_LENGTH) {
    throw invalidParameter(`repository name must not be more than ${MAX_PATH_LENGTH} characters`);
  }
  return {
    domain,
    path,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest: parseDigest(digest) }),
  };
}

function splitDomain(name: string): { domain: string; rest: string } {
  const slash = name.indexOf('/');
  if (slash < 0) return { domain: HUB, rest: OFFICIAL + name };
  const first = name.slice(0, slash);
  const rest = name.slice(slash + 1);
  let domain = HUB;
  let remainder = name;
  if (first === OLD_HUB) remainder = rest;
  else if (first === 'localhost' || /[.:]/.test(first) || first.toLowerCase() !== first) {
    domain = first;
    remainder = rest;
  }
  return { domain, rest: domain === HUB && !remainder.includes('/') ? OFFICIAL + remainder : remainder };
}

/** Domain and path: `docker.io/library/busybox`. */
export function repositoryOf({ domain, path }: Reference): string {
  return domain === '' ? path : `${domain}/${path}`;
}

/** The whole normalised text: `docker.io/library/busybox:latest`. */
export function formatReference(reference: Reference): string {
  return withSuffix(repositoryOf(reference), reference);
}

/** The repository as users see it: `busybox` for `docker.io/library/busybox`. */
export function familiarName({ domain, path }: Reference): string {
  if (domain !== HUB) return repositoryOf({ domain, path });
  const official = path.startsWith(OFFICIAL) ? path.slice(OFFICIAL.length) : path;
  return official.includes('/') ? path : official;
}

/** The reference as users see it: `busybox:latest`. */
export function familiarReference(reference: Reference): string {
  return withSuffix(familiarName(reference), reference);
}

function withSuffix(name: string, { tag, digest }: Reference): string {
  return `${name}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

/** Adds the tag `latest` when the reference has neither tag nor digest. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === undefined && reference.digest === undefined ? { ...reference, tag: 'latest' } : reference;
}

/** The same repository under `tag`. @throws invalidParameter `invalid tag format` */
export function withTag({ domain, path }: Reference, tag: string): Reference {
  if (!WHOLE_TAG.test(tag)) throw invalidParameter('invalid tag format');
  return { domain, path, tag };
}

/** The same repository at `digest`. */
export function withDigest({ domain, path }: Reference, digest: Digest): Reference {
  return { domain, path, digest: parseDigest(digest) };
}
