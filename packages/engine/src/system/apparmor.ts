import { existsSync, readFileSync } from 'node:fs';
import { messageOf, systemError } from '@gantry/errors';
import { findAppArmorParser, hasAppArmor, loadAppArmorPolicy, loadedAppArmorProfile } from '@gantry/linux';
import { DEFAULT_APPARMOR_PROFILE } from '../spec/security.ts';

/** What is there while the kernel has the default profile. Policy is the machine's, so this is the process's. */
let loaded: string | undefined;

/**
 * Loads the default profile for containers unless the machine has it.
 * @returns false where containers are not confined by AppArmor; `warn` is told when that is for a lack of something
 */
export async function prepareAppArmor(warn: (message: string) => void): Promise<boolean> {
  if (!hasAppArmor()) return false;
  try {
    await loadDefaultProfile();
    return true;
  } catch (error) {
    warn(`AppArmor is enabled, but containers are not confined by it: ${messageOf(error)}`);
    return false;
  }
}

/**
 * Loads the default profile again when someone unloaded it, as upgrades of policy packages do.
 * @throws system when it cannot be loaded
 */
export async function keepDefaultProfile(): Promise<void> {
  if (loaded !== undefined && existsSync(loaded)) return;
  try {
    await loadDefaultProfile();
  } catch (error) {
    throw systemError(
      `AppArmor enabled on system but the ${DEFAULT_APPARMOR_PROFILE} profile could not be loaded: ${messageOf(error)}`,
      { hint: 'install the package apparmor, or run the container with --security-opt apparmor=unconfined' },
    );
  }
}

async function loadDefaultProfile(): Promise<void> {
  loaded = await loadedAppArmorProfile(DEFAULT_APPARMOR_PROFILE);
  if (loaded !== undefined) return;
  const parser = findAppArmorParser();
  if (parser === undefined) throw new Error('apparmor_parser is not installed (package apparmor)');
  await loadAppArmorPolicy(parser, defaultPolicy(ownProfile(), existsSync));
  loaded = await loadedAppArmorProfile(DEFAULT_APPARMOR_PROFILE);
}

/** The profile that the engine itself runs under; its signals must reach containers. */
function ownProfile(): string {
  const label = ['/proc/self/attr/apparmor/current', '/proc/self/attr/current']
    .filter(path => existsSync(path))
    .map(path => readFileSync(path, 'utf8').trim())[0];
  return label?.replace(/ \((enforce|complain|kill|unconfined|mixed)\)$/, '') || 'unconfined';
}

/**
 * The policy that Docker gives to containers, under its name, so that `apparmor=docker-default` and inspection mean the same.
 * Files, network and capabilities are left to the other means of confinement; refused are mounts, writes to most of /proc
 * and /sys, and tracing or signalling what is outside.
 * @param exists tells whether a file of AppArmor's own abstractions is installed
 * @see apparmor.d(5)
 */
export function defaultPolicy(daemon: string, exists: (path: string) => boolean): string {
  const include = (path: string): string[] => (exists(`/etc/apparmor.d/${path}`) ? [`#include <${path}>`] : []);
  const tunables = include('tunables/global');
  const name = DEFAULT_APPARMOR_PROFILE;
  const senders = [...new Set(['unconfined', daemon])];
  // Only /proc/PID and /proc/sys/kernel/shm* may be written: what follows are all other names.
  const refused = [
    '@{PROC}/* w',
    '@{PROC}/{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9]*}/** w',
    '@{PROC}/sys/[^k]** w',
    '@{PROC}/sys/kernel/{?,??,[^s][^h][^m]**} w',
    '@{PROC}/sysrq-trigger rwklx',
    '@{PROC}/kcore rwklx',
    'mount',
    // All of /sys but /sys/fs/cgroup.
    ...['[^f]*', 'f[^s]*', 'fs/[^c]*', 'fs/c[^g]*', 'fs/cg[^r]*'].map(path => `/sys/${path}/** wklx`),
    '/sys/firmware/** rwklx',
    '/sys/devices/virtual/powercap/** rwklx',
    '/sys/kernel/security/** rwklx',
  ];
  const rules = [
    'network',
    'capability',
    'file',
    'umount',
    ...senders.map(peer => `signal (receive) peer=${JSON.stringify(peer)}`),
    `signal (send,receive) peer=${name}`,
    `ptrace (trace,read,tracedby,readby) peer=${name}`,
    ...refused.map(rule => `deny ${rule}`),
  ];
  return [
    ...(tunables.length > 0 ? tunables : ['@{PROC}=/proc/']),
    `profile ${name} flags=(attach_disconnected,mediate_deleted) {`,
    ...include('abstractions/base'),
    ...rules.map(rule => `  ${rule},`),
    '}',
    '',
  ].join('\n');
}
