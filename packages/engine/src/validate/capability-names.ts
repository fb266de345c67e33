import { invalidParameter } from '@gantry/errors';
import { CAPABILITIES } from '@gantry/linux';

const known = new Set(CAPABILITIES);

/**
 * Capability names as the kernel has them (`CAP_NET_ADMIN`), or `ALL`, from any of the spellings that Docker takes.
 * @param what the request's field, for the error: `CapAdd` or `CapDrop`
 * @throws invalidParameter
 */
export function normalizeCapabilities(names: readonly string[] | null, what: 'CapAdd' | 'CapDrop'): string[] {
  return (names ?? []).map(name => {
    const upper = name.toUpperCase();
    if (upper === 'ALL') return upper;
    const full = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
    if (!known.has(full)) throw invalidParameter(`invalid ${what}: unknown capability: ${JSON.stringify(full)}`);
    return full;
  });
}
