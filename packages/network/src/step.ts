import { netlink } from '@gantry/linux';
import type { Step } from '@gantry/runtime';

const PID = 'pid';

/** A namespace of the container's child, whose pid is written when the message is sent. */
export const childNamespace: netlink.TargetNamespace = { pidMark: PID };

/** One exchange of link, address or route messages. */
export function routeStep(messages: readonly netlink.Message[], ignore?: readonly number[]): Step {
  const { bytes, marks } = netlink.encode(messages);
  const pidAt = marks.get(PID);
  return {
    op: 'netlink',
    protocol: netlink.NetlinkProtocol.route,
    message: bytes,
    ...(pidAt === undefined ? {} : { pidAt }),
    ...(ignore ? { ignore } : {}),
  };
}

const PROC_SUPER_MAGIC = 0x9fa0;

/** Writes a setting below /proc/sys of the executor's network namespace. */
export function sysctlStep(name: string, value: string, ignore?: readonly number[]): Step {
  return {
    op: 'writeFile',
    path: `/proc/sys/${name}`,
    data: value,
    fsMagic: PROC_SUPER_MAGIC,
    ...(ignore ? { ignore } : {}),
  };
}

/** Index of the loopback device in every namespace. */
export const LOOPBACK_INDEX = 1;
