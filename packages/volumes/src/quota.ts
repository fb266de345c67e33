import { invalidParameter } from '@gantry/errors';
import { file, projectQuota, SystemCallError } from '@gantry/linux';

/** Projects of volumes begin here, above those of containers and what people give their own. */
export const FIRST_PROJECT = 0x47000000;

function withDirectory<T>(path: string, work: (fd: number) => T): T {
  const fd = file.openAt(file.AT_FDCWD, file.byteString(path), file.O_RDONLY | file.O_DIRECTORY);
  try {
    return work(fd);
  } finally {
    file.closeDescriptor(fd);
  }
}

/** @throws invalidParameter in dockerd's words when the file system of `root` has no quotas of projects */
export function checkQuotaSupport(name: string, root: string): void {
  if (!withDirectory(root, fd => projectQuota.enforcesProjectLimits(fd, undefined))) throw noSupport(name);
}

function noSupport(name: string, cause?: unknown): Error {
  return invalidParameter(`create ${name}: quota size requested but no quota support`, {
    cause,
    hint: 'the volumes need a file system with project quotas: ext4 or xfs, mounted with prjquota',
  });
}

/** Lets an empty directory, and all that comes into it, count for a project that is limited. @throws invalidParameter */
export function limitDirectory(name: string, path: string, project: number, sizeBytes: number): void {
  try {
    withDirectory(path, fd => {
      projectQuota.setProject(fd, project);
      projectQuota.setProjectLimit(fd, undefined, project, sizeBytes);
    });
  } catch (error) {
    if (error instanceof SystemCallError) throw noSupport(name, error);
    throw error;
  }
}

/** Lifts the limit of a project whose volume is gone. */
export function forgetProject(root: string, project: number): void {
  try {
    withDirectory(root, fd => projectQuota.setProjectLimit(fd, undefined, project, 0));
  } catch {
    // Quotas were turned off since: there is no limit to lift.
  }
}
