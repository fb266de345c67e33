import { readFile } from 'node:fs/promises';
import type { NetworkStatsDocument } from '../documents/stats.ts';

/** /proc/stat counts in USER_HZ, which is 100 on every architecture that we run on. */
const TICK_NS = 10_000_000;

export type HostCpu = { readonly totalNs: number; readonly online: number };

/** Time that all processors of the host have spent, idle included. @see proc_stat(5) */
export async function readHostCpu(): Promise<HostCpu> {
  return parseHostCpu(await readFile('/proc/stat', 'latin1'));
}

export function parseHostCpu(text: string): HostCpu {
  const [, line = ''] = /^cpu +(.*)$/m.exec(text) ?? [];
  // Guest time, which follows, is in user time already.
  const ticks = line.split(' ').slice(0, 8).map(Number);
  return {
    totalNs: ticks.reduce((sum, value) => sum + value, 0) * TICK_NS,
    online: [...text.matchAll(/^cpu\d+ /gm)].length,
  };
}

/** Counters of the interfaces in the network namespace of a process; nothing when it is gone. @see proc_pid_net(5) */
export async function readInterfaces(pid: number): Promise<Map<string, NetworkStatsDocument>> {
  const text = await readFile(`/proc/${pid}/net/dev`, 'latin1').catch(() => '');
  return parseInterfaces(text);
}

export function parseInterfaces(text: string): Map<string, NetworkStatsDocument> {
  const interfaces = new Map<string, NetworkStatsDocument>();
  for (const line of text.split('\n')) {
    const [, name = '', rest = ''] = /^ *([^ :]+): *(.*)$/.exec(line) ?? [];
    if (name === '') continue;
    const values = rest.split(/ +/).map(Number);
    const at = (i: number): number => values[i] ?? 0;
    interfaces.set(name, {
      rx_bytes: at(0),
      rx_packets: at(1),
      rx_errors: at(2),
      rx_dropped: at(3),
      tx_bytes: at(8),
      tx_packets: at(9),
      tx_errors: at(10),
      tx_dropped: at(11),
    });
  }
  return interfaces;
}
