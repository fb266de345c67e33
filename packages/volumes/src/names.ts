import { randomBytes } from 'node:crypto';
import { invalidParameter } from '@gantry/errors';

const ALLOWED = '[a-zA-Z0-9][a-zA-Z0-9_.-]';

/** Checks the name of a local volume. @throws invalidParameter with dockerd's text */
export function checkVolumeName(name: string): void {
  if (name.length === 1) {
    throw invalidParameter(
      `create ${name}: volume name is too short, names should be at least two alphanumeric characters`,
    );
  }
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) {
    throw invalidParameter(
      `create ${name}: ${JSON.stringify(name)} includes invalid characters for a local volume name, only ${JSON.stringify(ALLOWED)} are allowed. If you intended to pass a host directory, use absolute path`,
    );
  }
}

/** The name of a volume that was made without one: 64 hex digits. */
export function anonymousName(): string {
  return randomBytes(32).toString('hex');
}

/** The label that dockerd puts on volumes that it has named itself. */
export const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';
