import { randomUUID } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Step } from '@gantry/runtime';
import type { EngineContext } from '../context.ts';

const { ENOENT } = constants.errno;

/** Renames a directory away, so that it is gone for every reader; its bytes go in the background. Tolerates what is gone. */
export async function toTrash(context: EngineContext, directory: string, id: string): Promise<void> {
  const target = join(context.trashDir, `${id}.${randomUUID()}`);
  try {
    await rename(directory, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  void context.inBackground(`empty the trash of ${id}`, destroy(context, target, id));
}

/** In most cases one message to the launcher's helper; a directory with more in it is looked at closer. */
async function destroy({ options }: EngineContext, directory: string, id: string): Promise<void> {
  const usual = ['hosts', 'hostname', 'resolv.conf', `${id}-json.log`];
  const steps: Step[] = usual.map(name => ({ op: 'unlink', path: join(directory, name), ignore: [ENOENT] }));
  try {
    await options.launcher.run([...steps, { op: 'rmdir', path: directory }]);
  } catch {
    await rm(directory, { recursive: true, force: true });
  }
}
