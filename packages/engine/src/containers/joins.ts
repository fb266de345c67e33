import { systemError } from '@gantry/errors';
import type { EngineContext } from '../context.ts';
import { type NamespaceJoins, sharedMemoryPath } from '../spec/index.ts';
import type { Container } from './container.ts';
import { networkOwner, sharedWith } from './networks.ts';

/** The namespaces of other containers that this one joins. @throws system when the other one does not run */
export function namespaceJoins(context: EngineContext, container: Container): NamespaceJoins {
  const { hostConfig } = container.document;
  const network = networkOwner(context, container);
  const ipc = owner(context, hostConfig.IpcMode, 'IPC');
  const ipcMode = ipc?.document.hostConfig.IpcMode ?? '';
  if (ipc && (ipcMode === 'private' || ipcMode === 'none')) {
    throw systemError(
      `failed to join IPC namespace: container ${ipc.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
    );
  }
  const pid = owner(context, hostConfig.PidMode, 'PID');
  return {
    ...(network?.run ? { network: `/proc/${network.run.shim.pid}/ns/net` } : {}),
    ...(ipc?.run ? { ipc: `/proc/${ipc.run.shim.pid}/ns/ipc` } : {}),
    ...(ipcMode === 'shareable' && ipc ? { shm: sharedMemoryPath(context.containerDir(ipc.id)) } : {}),
    ...(pid?.run ? { pid: `/proc/${pid.run.shim.pid}/ns/pid` } : {}),
  };
}

function owner(context: EngineContext, mode: string, kind: 'IPC' | 'PID'): Container | undefined {
  const ref = sharedWith(mode);
  if (ref === undefined) return undefined;
  const fail = (why: string): never => {
    throw systemError(`failed to join ${kind} namespace: ${why}`);
  };
  const found = context.containers.get(ref) ?? fail(`No such container: ${ref}`);
  if (!found.isUp) fail(`container ${found.id} is not running`);
  if (!found.run) fail(`Container ${found.id} is restarting, wait until the container is running`);
  return found;
}
