import { ExitError } from './errors.ts';

/** An image's name as a person writes it, taken apart. */
export type Reference = {
  /** Without registry and `library/` where they are Docker Hub's. */
  readonly familiarName: string;
  /** With them, `docker.io/library/busybox`. */
  readonly fullName: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
};

const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const DOMAIN =
  '(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?';
const REMOTE = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const WHOLE = new RegExp(`^${DOMAIN}$`);
const SUFFIX =
  /^(?<name>.*?)(?::(?<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?<digest>[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,}))?$/;

/**
 * Reads `NAME[:TAG][@DIGEST]`.
 * @throws ExitError with the registry library's wording
 * @see distribution/reference, "Grammar"
 */
export function parseReference(text: string): Reference {
  if (/^[0-9a-f]{64}$/.test(text)) {
    throw invalid(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  }
  const slash = text.indexOf('/');
  const first = slash < 0 ? '' : text.slice(0, slash);
  const hasDomain = first !== '' && (/[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase());
  const domain = hasDomain ? first.replace(/^index\.docker\.io$/, 'docker.io') : 'docker.io';
  const rest = hasDomain ? text.slice(slash + 1) : text;
  const groups = SUFFIX.exec(rest)?.groups;
  let remote = groups?.name ?? rest;
  if (domain === 'docker.io' && !remote.includes('/')) remote = `library/${remote}`;
  const bare = remote.split(':')[0] ?? '';
  if (bare !== bare.toLowerCase())
    throw invalid(`invalid reference format: repository name (${bare}) must be lowercase`);
  if (!groups || !WHOLE.test(domain) || !REMOTE.test(remote)) throw invalid('invalid reference format');
  const fullName = `${domain}/${remote}`;
  if (fullName.length > 255) throw invalid('repository name must not be more than 255 characters');
  const familiarName = domain === 'docker.io' ? remote.replace(/^library\/([^/]+)$/, '$1') : fullName;
  return { familiarName, fullName, tag: groups.tag, digest: groups.digest };
}

/** `busybox:latest`, `busybox@sha256:...`. */
export function familiar(reference: Reference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  return `${reference.familiarName}${tag}${reference.digest === undefined ? '' : `@${reference.digest}`}`;
}

/** `docker.io/library/busybox:latest`. */
export function fullReference({ fullName, tag, digest }: Reference): string {
  return `${fullName}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

/** With `latest` where neither tag nor digest is given. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === undefined && reference.digest === undefined ? { ...reference, tag: 'latest' } : reference;
}

function invalid(message: string): ExitError {
  return new ExitError(1, message);
}
