import { conflict, invalidParameter } from '@gantry/errors';
import type { EngineContext } from '../context.ts';
import { type NamespaceJoins, sharedMemoryPath } from '../spec/index.ts';
import type { Container } from './container.ts';
import { networkOwner, sharedWith } from './networks.ts';

/** The namespaces of other containers that this one joins. @throws notFound, conflict when the other one does not run */
export function namespaceJoins(context: EngineContext, container: Container): NamespaceJoins {
  const { hostConfig } = container.document;
  const network = networkOwner(context, container);
  const ipc = owner(context, hostConfig.IpcMode);
  const ipcMode = ipc?.document.hostConfig.IpcMode ?? '';
  if (ipc && (ipcMode === 'private' || ipcMode === 'none')) {
    throw invalidParameter(
      `container ${ipc.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
    );
  }
  const pid = owner(context, hostConfig.PidMode);
  return {
    ...(network?.run ? { network: `/proc/${network.run.shim.pid}/ns/net` } : {}),
    ...(ipc?.run ? { ipc: `/proc/${ipc.run.shim.pid}/ns/ipc` } : {}),
    ...(ipcMode === 'shareable' && ipc ? { shm: sharedMemoryPath(context.containerDir(ipc.id)) } : {}),
    ...(pid?.run ? { pid: `/proc/${pid.run.shim.pid}/ns/pid` } : {}),
  };
}

function owner(context: EngineContext, mode: string): Container | undefined {
  const ref = sharedWith(mode);
  if (ref === undefined) return undefined;
  const found = context.containers.find(ref);
  if (!found.isUp) throw conflict(`container ${found.id} is not running`);
  if (!found.run) throw conflict(`Container ${found.id} is restarting, wait until the container is running`);
  return found;
}
