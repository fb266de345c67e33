import { systemError } from '@gantry/errors';
import { rlimitNumber } from '@gantry/linux';
import type { ProcessSpec } from '@gantry/oci';
import type { Ulimit } from '../documents/index.ts';

const INFINITY = 2n ** 64n - 1n;

/**
 * The resource limits of a process: --ulimit, then the daemon's defaults for what it does not name. Nothing else is
 * set: the rest is what the daemon itself was started with.
 * @throws systemError `wrong rlimit value: RLIMIT_X`
 */
export function containerRlimits(
  given: readonly Ulimit[] | null,
  defaults: readonly Ulimit[],
): NonNullable<ProcessSpec['rlimits']> {
  const own = given ?? [];
  const names = new Set(own.map(({ Name }) => Name));
  const wanted = [
    ...own.map(limit => ({ ...limit, clamp: false })),
    ...defaults.filter(({ Name }) => !names.has(Name)).map(limit => ({ ...limit, clamp: true })),
  ];
  return wanted.map(({ Name, Soft, Hard, clamp }) => {
    const type = `RLIMIT_${Name.toUpperCase()}`;
    if (rlimitNumber(type) === undefined) {
      throw systemError(
        `failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: wrong rlimit value: ${type}`,
      );
    }
    return { type, soft: limitValue(Soft), hard: limitValue(Hard), clamp };
  });
}

const limitValue = (value: number): bigint => (value < 0 ? INFINITY : BigInt(value));
