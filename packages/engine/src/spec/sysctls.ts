import { existsSync } from 'node:fs';
import { systemError } from '@gantry/errors';
import { sysctlDotted, sysctlNamespace } from '@gantry/linux';
import type { LinuxSpec } from '@gantry/oci';
import type { HostConfig } from '../documents/index.ts';
import { isPrivateNetwork } from '../validate/modes.ts';

const PREFIX =
  'failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: ';

/** Settings of a network namespace of the container's own, where the kernel has them. */
const NETWORK_DEFAULTS = {
  'net.ipv4.ping_group_range': '0 2147483647',
  'net.ipv4.ip_unprivileged_port_start': '0',
};

let supported: Record<string, string> | undefined;

/**
 * The kernel settings of a container: ping without CAP_NET_RAW and low ports for everybody in a network namespace of
 * its own, then --sysctl. Only settings that belong to a namespace of the container are allowed.
 * @throws systemError with the text of the runtime
 */
export function containerSysctls(host: HostConfig, namespaces: LinuxSpec['namespaces']): Record<string, string> {
  supported ??= Object.fromEntries(
    Object.entries(NETWORK_DEFAULTS).filter(([name]) => existsSync(`/proc/sys/${name.replaceAll('.', '/')}`)),
  );
  const sysctls: Record<string, string> = isPrivateNetwork(host.NetworkMode) ? { ...supported } : {};
  const has = (type: string): boolean => namespaces.some(namespace => namespace.type === type);
  for (const [name, value] of Object.entries(host.Sysctls ?? {})) {
    const dotted = sysctlDotted(name);
    const quoted = JSON.stringify(dotted);
    switch (sysctlNamespace(dotted)) {
      case 'ipc':
        if (!has('ipc')) throw systemError(`${PREFIX}sysctl ${quoted} is not allowed in the hosts ipc namespace`);
        break;
      case 'network':
        if (!has('network')) throw systemError(`${PREFIX}sysctl ${quoted} not allowed in host network namespace`);
        break;
      case 'uts':
        if (!has('uts')) throw systemError(`${PREFIX}sysctl ${quoted} is not in a separate kernel namespace`);
        if (dotted === 'kernel.hostname') {
          throw systemError(`${PREFIX}sysctl ${quoted} is not allowed as it conflicts with the OCI "hostname" field`);
        }
        break;
      case undefined:
        throw systemError(`${PREFIX}sysctl ${quoted} is not in a separate kernel namespace`);
    }
    sysctls[dotted] = value;
  }
  return sysctls;
}
