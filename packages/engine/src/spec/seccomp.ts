import type { SeccompProfile } from '@gantry/oci';

/** The default profile for a process with these capabilities. */
export function defaultSeccomp(_capabilities: readonly string[]): SeccompProfile | undefined {
  return undefined;
}

/** A profile in Docker's JSON format, resolved for a process with these capabilities. */
export function loadSeccomp(_text: string, _capabilities: readonly string[]): SeccompProfile {
  throw new Error('in work');
}
