import { posix } from 'node:path';
import { invalidParameter } from '@gantry/errors';
import type { ContainerConfig } from '../documents/index.ts';
import { parseSignal } from '../signals.ts';

const MIN_DURATION_NS = 1_000_000;

/** A path as Go's filepath.Clean has it: no empty parts, `.`, `..`, or final slash. */
export function cleanPath(path: string): string {
  const clean = posix.normalize(path);
  return clean.length > 1 && clean.endsWith('/') ? clean.slice(0, -1) : clean;
}

/** Checks the container's own configuration as the client sent it. @throws invalidParameter */
export function checkConfig(config: ContainerConfig): void {
  if (config.WorkingDir !== '') {
    if (!config.WorkingDir.startsWith('/')) {
      throw invalidParameter(
        `the working directory '${config.WorkingDir}' is invalid, it needs to be an absolute path`,
      );
    }
    config.WorkingDir = cleanPath(config.WorkingDir);
  }
  if (config.StopSignal) parseSignal(config.StopSignal);
  for (const assignment of config.Env ?? []) {
    if (assignment === '' || assignment.startsWith('=')) {
      throw invalidParameter(`invalid environment variable: ${assignment}`);
    }
  }
  checkHealthcheck(config);
}

function checkHealthcheck({ Healthcheck: check }: ContainerConfig): void {
  if (!check) return;
  for (const key of ['Interval', 'Timeout', 'StartPeriod', 'StartInterval'] as const) {
    const value = check[key] ?? 0;
    if (value !== 0 && value < MIN_DURATION_NS) throw invalidParameter(`${key} in Healthcheck cannot be less than 1ms`);
    if (key === 'Timeout' && (check.Retries ?? 0) < 0) {
      throw invalidParameter('Retries in Healthcheck cannot be negative');
    }
  }
}
