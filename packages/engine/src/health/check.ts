import type { ContainerConfig } from '../documents/index.ts';

/** How a container's health is checked, with Docker's defaults. Times in milliseconds. */
export type HealthCheck = {
  readonly command: readonly string[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Failures in this time after the start do not count. */
  readonly startPeriodMs: number;
  /** The interval while the start period lasts and nothing succeeded yet. */
  readonly startIntervalMs: number;
  readonly retries: number;
};

const SECOND_MS = 1000;

/** The check of a container, undefined when it has none (`NONE`, or a kind that nobody knows). */
export function healthCheckOf({ Healthcheck: check, Shell }: ContainerConfig): HealthCheck | undefined {
  const [kind, ...args] = check?.Test ?? [];
  if (!check || (kind !== 'CMD' && kind !== 'CMD-SHELL')) return undefined;
  const shell = Shell && Shell.length > 0 ? Shell : ['/bin/sh', '-c'];
  const milliseconds = (nanoseconds: number | undefined, fallback: number): number =>
    nanoseconds ? nanoseconds / 1e6 : fallback;
  return {
    command: kind === 'CMD-SHELL' ? [...shell, ...args] : args,
    intervalMs: milliseconds(check.Interval, 30 * SECOND_MS),
    timeoutMs: milliseconds(check.Timeout, 30 * SECOND_MS),
    startPeriodMs: milliseconds(check.StartPeriod, 0),
    startIntervalMs: milliseconds(check.StartInterval, 5 * SECOND_MS),
    retries: check.Retries || 3,
  };
}

/** A length of time as Go prints it: `500ms`, `30s`, `1m30s`. */
export function goDuration(milliseconds: number): string {
  if (milliseconds < SECOND_MS) return `${milliseconds}ms`;
  const seconds = milliseconds / SECOND_MS;
  const whole = Math.floor(seconds / 60);
  const rest = `${Number((seconds % 60).toFixed(9))}s`;
  if (whole === 0) return rest;
  return whole < 60 ? `${whole}m${rest}` : `${Math.floor(whole / 60)}h${whole % 60}m${rest}`;
}
