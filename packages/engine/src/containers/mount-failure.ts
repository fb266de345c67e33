import { GantryError, isGantryError } from '@gantry/errors';
import type { MountSpec } from '@gantry/oci';
import type { LaunchFailure, LaunchPlan } from '@gantry/runtime';

const MAKES_PLACE = ['mkdirAll', 'touch'];

/**
 * A mount that failed, named by both of its ends, as runc names it: `error mounting "/src" to rootfs at "/dst": ...`.
 * Undefined for a failure at another step.
 */
export function explainMount(
  mounts: readonly MountSpec[],
  plan: LaunchPlan,
  failure: LaunchFailure,
  error: unknown,
): GantryError | undefined {
  const { step, where } = failure;
  if (!step || where !== 'child' || !isGantryError(error)) return undefined;
  const target = step.op === 'fsMount' ? placeOf(plan, step) : 'path' in step && 'at' in step ? step.path : undefined;
  const mount = target === undefined ? undefined : mounts.find(({ destination }) => destination === target);
  if (!mount) return undefined;
  const before = /^(.*?error during container init: )(?:error )?(?:\w+ "[^"]*"|mounting a \w+)(: .*)$/s.exec(
    error.message,
  );
  if (!before) return undefined;
  const ends = `error mounting ${JSON.stringify(mount.source)} to rootfs at ${JSON.stringify(mount.destination)}`;
  const place = MAKES_PLACE.includes(step.op) ? `: create mountpoint for ${mount.destination} mount` : '';
  const { kind, hint, exitCode } = error;
  return new GantryError(kind, `${before[1]}${ends}${place}${before[2]}`, {
    cause: failure,
    ...(hint === undefined ? {} : { hint }),
    ...(exitCode === undefined ? {} : { exitCode }),
  });
}

/** Where a file system that is mounted by itself goes: the step that attaches its slot says so. */
function placeOf(plan: LaunchPlan, step: Extract<LaunchPlan['child'][number], { op: 'fsMount' }>): string | undefined {
  const from = plan.child.indexOf(step);
  const attached = plan.child.slice(from).find(other => other.op === 'moveMount' && other.slot === step.slot);
  return attached?.op === 'moveMount' ? attached.path : undefined;
}
