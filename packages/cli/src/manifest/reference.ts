import { fullReference, parseReference, type Reference, withDefaultTag } from '../reference.ts';

/** A reference of the manifest commands, and its whole text. */
export type NamedReference = Reference & { readonly text: string };

/** Reads a reference, with `latest` where it has neither tag nor digest. @throws ExitError in Docker's words */
export function manifestReference(text: string): NamedReference {
  const reference = withDefaultTag(parseReference(text));
  return { ...reference, text: fullReference(reference) };
}

/** Registry and repository of a whole reference: `docker.io` and `library/busybox`. */
export function placeOf(text: string): { readonly registry: string; readonly repository: string } {
  const { fullName } = parseReference(text);
  const slash = fullName.indexOf('/');
  return { registry: fullName.slice(0, slash), repository: fullName.slice(slash + 1) };
}
