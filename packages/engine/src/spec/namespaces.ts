import type { LinuxSpec } from '@gantry/oci';
import type { HostConfig } from '../documents/index.ts';

type Namespace = LinuxSpec['namespaces'][number];

/** Paths of the namespaces that a container shares with another one, as `/proc/PID/ns/net`. */
export type NamespaceJoins = {
  readonly network?: string;
  readonly ipc?: string;
  readonly pid?: string;
  /** Host path of the other container's /dev/shm, for a shared IPC namespace. */
  readonly shm?: string;
};

/** The namespaces of a container by its modes; one that is not listed is the host's. */
export function containerNamespaces(host: HostConfig, joins: NamespaceJoins, cgroupNamespaces: boolean): Namespace[] {
  const namespaces: Namespace[] = [{ type: 'mount' }];
  const add = (type: Namespace['type'], isHost: boolean, path: string | undefined): void => {
    if (!isHost) namespaces.push(path === undefined ? { type } : { type, path });
  };
  add('network', host.NetworkMode === 'host', joins.network);
  add('uts', host.UTSMode === 'host', undefined);
  add('pid', host.PidMode === 'host', joins.pid);
  add('ipc', host.IpcMode === 'host', joins.ipc);
  if (host.CgroupnsMode === 'private' && cgroupNamespaces) namespaces.push({ type: 'cgroup' });
  return namespaces;
}
