import { randomUUID } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { EngineContext } from '../context.ts';

/** Renames a directory away, so that it is gone for every reader; its bytes go in the background. Tolerates what is gone. */
export async function toTrash(context: EngineContext, directory: string, id: string): Promise<void> {
  const target = join(context.trashDir, `${id}.${randomUUID()}`);
  try {
    await rename(directory, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  void context.inBackground(`empty the trash of ${id}`, rm(target, { recursive: true, force: true }));
}
