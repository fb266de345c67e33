import type { HealthCheck } from './check.ts';

export type HealthStatus = 'starting' | 'healthy' | 'unhealthy';

/** One probe: when it ran and what came of it; `exitCode` is -1 when it could not run, or not in time. */
export type ProbeResult = {
  /** Nanoseconds since the epoch, decimal. */
  readonly startNs: string;
  readonly endNs: string;
  readonly exitCode: number;
  readonly output: string;
};

/** What is known of a container's health. Plain JSON, part of its facts. */
export type Health = { status: HealthStatus; failingStreak: number; log: ProbeResult[] };

/** Probes that inspect shows. */
const KEPT = 5;

/** Takes a probe's result in. @returns true when the status became another one */
export function takeResult(health: Health, check: HealthCheck, result: ProbeResult, startedNs: bigint): boolean {
  const before = health.status;
  health.log = [...health.log, result].slice(-KEPT);
  if (result.exitCode === 0) {
    health.failingStreak = 0;
    health.status = 'healthy';
  } else if (before !== 'starting' || sinceMs(startedNs, BigInt(result.startNs)) >= check.startPeriodMs) {
    health.failingStreak++;
    if (health.failingStreak >= check.retries) health.status = 'unhealthy';
  }
  return health.status !== before;
}

/** How long after the last probe, or the start, the next one begins. */
export function nextDelayMs(health: Health, check: HealthCheck, startedNs: bigint, nowNs: bigint): number {
  const early = health.status === 'starting' && sinceMs(startedNs, nowNs) < check.startPeriodMs;
  return early ? check.startIntervalMs : check.intervalMs;
}

const sinceMs = (from: bigint, to: bigint): number => Number(to - from) / 1e6;
