import { invalidParameter } from '@gantry/errors';

/** The newest Engine API version answered, and the oldest. */
export const newestVersion = '1.51';
export const oldestVersion = '1.24';

/** The minor number of an Engine API version 1.x; all that are answered have the major number 1. */
export type ApiVersion = number;

/** The version of a request without one. */
export const newest: ApiVersion = 51;

/**
 * The version that a path asks for.
 * @throws invalidParameter in dockerd's words when it is older or newer than what is answered
 */
export function checkVersion(text: string): ApiVersion {
  if (compareVersions(text, oldestVersion) < 0) {
    throw invalidParameter(
      `client version ${text} is too old. Minimum supported API version is ${oldestVersion}, please upgrade your client to a newer version`,
    );
  }
  if (compareVersions(text, newestVersion) > 0) {
    throw invalidParameter(`client version ${text} is too new. Maximum supported API version is ${newestVersion}`);
  }
  return part(text.split('.')[1]);
}

/** Compares dotted versions number by number; what is no number counts as 0. */
export function compareVersions(left: string, right: string): number {
  const lefts = left.split('.');
  const rights = right.split('.');
  for (let index = 0; index < Math.max(lefts.length, rights.length); index++) {
    const difference = part(lefts[index]) - part(rights[index]);
    if (difference !== 0) return difference;
  }
  return 0;
}

function part(text: string | undefined): number {
  return text === undefined || !/^\d+$/.test(text) ? 0 : Number(text);
}
