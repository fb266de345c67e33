import { availableCapabilities, capabilityNames } from '@gantry/linux';
import type { ProcessSpec } from '@gantry/oci';
import { normalizeCapabilities } from '../validate/capability-names.ts';

/** What a container's root may do unless told otherwise: Docker's fourteen. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FSETID',
  'CAP_FOWNER',
  'CAP_MKNOD',
  'CAP_NET_RAW',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETFCAP',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_SYS_CHROOT',
  'CAP_KILL',
  'CAP_AUDIT_WRITE',
];

/** Every capability that the engine can hand on. */
export function allCapabilities(): string[] {
  return capabilityNames(availableCapabilities());
}

/**
 * The capabilities of a container by --privileged, --cap-add and --cap-drop: adding ALL wins over dropping ALL.
 * @param all every capability there is, for ALL and --privileged
 */
export function containerCapabilities(
  host: { readonly Privileged: boolean; readonly CapAdd: string[] | null; readonly CapDrop: string[] | null },
  all: readonly string[] = allCapabilities(),
): string[] {
  if (host.Privileged) return [...all];
  const add = normalizeCapabilities(host.CapAdd, 'CapAdd');
  const drop = normalizeCapabilities(host.CapDrop, 'CapDrop');
  if (add.includes('ALL')) return all.filter(name => !drop.includes(name));
  const base = drop.includes('ALL') ? [] : DEFAULT_CAPABILITIES.filter(name => !drop.includes(name));
  return [...new Set([...base, ...add])];
}

/** The sets of a process: nothing inheritable, nothing ambient, as dockerd since 20.10.14 (CVE-2022-24769). */
export function capabilitySets(names: readonly string[]): NonNullable<ProcessSpec['capabilities']> {
  return { bounding: [...names], effective: [...names], permitted: [...names], inheritable: [], ambient: [] };
}
