import { closeSync, openSync, writeSync } from 'node:fs';
import { netlink, SystemCallError } from '@gantry/linux';
import type { Step } from '@gantry/runtime';

const sockets = new Map<number, netlink.NetlinkSocket>();

/** Runs the steps that networks are made of in this process, as the launcher's helper does it natively. */
export function runSteps(steps: readonly Step[], childPid = 0): Map<number, Buffer> {
  const replies = new Map<number, Buffer>();
  for (const [index, step] of steps.entries()) {
    try {
      if (step.op === 'netlink') {
        const answers = socketOf(step.protocol).exchange(patched(step, childPid));
        if (step.reply) replies.set(index, Buffer.concat(answers.map(answer => answer.raw)));
      } else if (step.op === 'writeFile') write(step.path, step.data);
      else throw new Error(`no ${step.op} in this executor`);
    } catch (error) {
      if (!('ignore' in step && step.ignore?.includes(errnoOfError(error)))) throw error;
      sockets.get('protocol' in step ? Number(step.protocol) : -1)?.[Symbol.dispose]();
      if ('protocol' in step) sockets.delete(Number(step.protocol));
    }
  }
  return replies;
}

function socketOf(protocol: number): netlink.NetlinkSocket {
  const socket = sockets.get(protocol) ?? new netlink.NetlinkSocket(protocol);
  sockets.set(protocol, socket);
  return socket;
}

function patched(step: Extract<Step, { op: 'netlink' }>, childPid: number): Uint8Array {
  if (step.pidAt === undefined) return step.message;
  const message = Buffer.from(step.message);
  message.writeUInt32LE(childPid, step.pidAt);
  return message;
}

function write(path: string, data: string): void {
  const fd = openSync(path, 'w');
  writeSync(fd, data);
  closeSync(fd);
}

function errnoOfError(error: unknown): number {
  if (error instanceof SystemCallError) return error.errno;
  const errno = error instanceof Error && 'errno' in error ? Number(error.errno) : 0;
  return Math.abs(errno);
}
