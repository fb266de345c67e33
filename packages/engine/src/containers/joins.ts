import { closeSync, openSync, readFileSync } from 'node:fs';
import { systemError } from '@gantry/errors';
import type { EngineContext } from '../context.ts';
import { type NamespaceJoins, sharedMemoryPath } from '../spec/index.ts';
import type { Container, Run } from './container.ts';
import { networkOwner, sharedWith } from './networks.ts';

/**
 * The namespaces of other containers that this one joins, open until `held` is disposed of.
 * @throws system when the other one does not run
 */
export function namespaceJoins(context: EngineContext, container: Container, held: DisposableStack): NamespaceJoins {
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
    ...(network?.run ? { network: openNamespace(network.run, 'net', held) } : {}),
    ...(ipc?.run ? { ipc: openNamespace(ipc.run, 'ipc', held) } : {}),
    ...(ipcMode === 'shareable' && ipc ? { shm: sharedMemoryPath(context.containerDir(ipc.id)) } : {}),
    ...(pid?.run ? { pid: openNamespace(pid.run, 'pid', held) } : {}),
  };
}

/**
 * A path to a namespace of a run, through a descriptor of this process: the run may end before the path is used, and another
 * process have its number by then. While it has not, its parent is its shim.
 */
function openNamespace({ shim }: Run, kind: 'net' | 'ipc' | 'pid', held: DisposableStack): string {
  try {
    const fd = openSync(`/proc/${shim.pid}/ns/${kind}`, 'r');
    held.defer(() => closeSync(fd));
    if (parentOf(shim.pid) === shim.shimPid) return `/proc/${process.pid}/fd/${fd}`;
  } catch {
    // It has ended.
  }
  throw systemError(`failed to join ${kind.toUpperCase()} namespace: the container that has it has just ended`);
}

function parentOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
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
