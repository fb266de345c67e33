import type { SeccompProfile } from '@gantry/oci';
import type { Step } from '../plan/steps.ts';

/** The step that installs a profile's filter. */
export function seccompStep(_profile: SeccompProfile): Step | undefined {
  return undefined;
}
