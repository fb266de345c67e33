import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fillConfig } from '../validate/fill.ts';
import { goDuration, healthCheckOf } from './check.ts';
import { type Health, nextDelayMs, type ProbeResult, takeResult } from './health.ts';

const config = (Healthcheck: object, more: object = {}) => fillConfig({ Healthcheck, ...more });
const probed = (exitCode: number, atMs: number): ProbeResult => {
  const ns = String(BigInt(atMs) * 1_000_000n);
  return { startNs: ns, endNs: ns, exitCode, output: '' };
};

test('a check has Docker’s defaults, its shell, or is none', () => {
  assert.equal(healthCheckOf(config({ Test: ['NONE'] })), undefined);
  assert.equal(healthCheckOf(config({ Interval: 1e9 })), undefined);
  assert.equal(healthCheckOf(config({ Test: ['NOSUCH', 'x'] })), undefined);
  assert.deepEqual(healthCheckOf(config({ Test: ['CMD-SHELL', 'true && true'], Interval: 2e9 })), {
    command: ['/bin/sh', '-c', 'true && true'],
    intervalMs: 2000,
    timeoutMs: 30_000,
    startPeriodMs: 0,
    startIntervalMs: 5000,
    retries: 3,
  });
  const other = healthCheckOf(config({ Test: ['CMD-SHELL', 'x'], Retries: 1 }, { Shell: ['/bin/ash', '-ec'] }));
  assert.deepEqual([other?.command, other?.retries], [['/bin/ash', '-ec', 'x'], 1]);
});

test('failures count after the start period only, and the first success ends it', () => {
  const check = healthCheckOf(config({ Test: ['CMD', 'x'], Retries: 2, StartPeriod: 10e9, StartInterval: 1e9 }));
  assert.ok(check);
  const health: Health = { status: 'starting', failingStreak: 0, log: [] };
  assert.equal(nextDelayMs(health, check, 0n, 1_000_000_000n), 1000);
  for (let at = 1; at < 10; at++) assert.equal(takeResult(health, check, probed(1, at * 1000), 0n), false);
  assert.deepEqual([health.status, health.failingStreak, health.log.length], ['starting', 0, 5]);
  assert.equal(takeResult(health, check, probed(0, 9500), 0n), true);
  assert.equal(nextDelayMs(health, check, 0n, 9_600_000_000n), 30_000);
  assert.equal(takeResult(health, check, probed(1, 9700), 0n), false);
  assert.equal(takeResult(health, check, probed(-1, 9800), 0n), true);
  assert.deepEqual([health.status, health.failingStreak], ['unhealthy', 2]);
  assert.equal(takeResult(health, check, probed(0, 9900), 0n), true);
  assert.deepEqual([health.status, health.failingStreak], ['healthy', 0]);
});

test('lengths of time are written as Go writes them', () => {
  const rows: [number, string][] = [
    [500, '500ms'],
    [30_000, '30s'],
    [1500, '1.5s'],
    [90_000, '1m30s'],
    [3_600_000, '1h0m0s'],
  ];
  for (const [ms, text] of rows) assert.equal(goDuration(ms), text);
});
