import { invalidParameter } from '@gantry/errors';
import { seccomp } from '@gantry/linux';
import type { SeccompProfile } from '@gantry/oci';
import type { Step } from '../plan/steps.ts';

/** SECCOMP_FILTER_FLAG_*. TSYNC changes nothing for a process of one thread. @see seccomp(2) */
const FLAGS: Readonly<Record<string, number>> = {
  SECCOMP_FILTER_FLAG_TSYNC: 0,
  SECCOMP_FILTER_FLAG_LOG: 2,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 4,
};

const filters = new WeakMap<SeccompProfile, Uint8Array>();

/**
 * The step that installs a profile's filter, which is assembled once for a profile object.
 * @throws invalidParameter for a flag that is not known
 */
export function seccompStep(profile: SeccompProfile): Step {
  let filter = filters.get(profile);
  if (!filter) {
    filter = seccomp.assembleFilter(profile);
    filters.set(profile, filter);
  }
  let flags = 0;
  // As runc does, a profile that says nothing of flags does without the slow mitigations of old kernels.
  for (const name of profile.flags ?? ['SECCOMP_FILTER_FLAG_SPEC_ALLOW']) {
    const flag = FLAGS[name];
    if (flag === undefined) throw invalidParameter(`seccomp flag ${name} is not known`);
    flags |= flag;
  }
  return { op: 'seccomp', filter, flags };
}
