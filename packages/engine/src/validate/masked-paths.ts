import { existsSync, readFileSync } from 'node:fs';
import { parseRanges } from './resources.ts';

/** What a container may not read: it tells about the host or its hardware. dockerd 28.5's list. */
const MASKED_PATHS = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];

export const READONLY_PATHS: readonly string[] = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
];

let masked: readonly string[] | undefined;

/** The default masked paths, with the thermal counters of each processor that has some (GHSA-6fw5-f8r9-fgfm). */
export function maskedPaths(): readonly string[] {
  masked ??= [...MASKED_PATHS, ...thermalPaths()];
  return masked;
}

function thermalPaths(): string[] {
  let possible = '';
  try {
    possible = readFileSync('/sys/devices/system/cpu/possible', 'utf8').trim();
  } catch {
    return []; // no sysfs: nothing to mask
  }
  return (parseRanges(possible) ?? [])
    .flatMap(([low, high]) => Array.from({ length: Math.min(high - low + 1, 8192) }, (_, index) => low + index))
    .map(cpu => `/sys/devices/system/cpu/cpu${cpu}/thermal_throttle`)
    .filter(path => existsSync(path));
}
