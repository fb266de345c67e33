import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Launcher } from '@gantry/runtime';
import { sysctlStep } from './step.ts';

export type ForwardingFamily = 'ipv4' | 'ipv6';

/** Whether this host forwards packets, and on whose account. */
export type Forwarding = {
  /** Families that forward because we made them: the rules then forward for bridges only, and for no other links. */
  readonly closed: ReadonlySet<ForwardingFamily>;
  /** Turns forwarding on where it is off. Never rejects. */
  readonly turnOn: (family: ForwardingFamily) => Promise<void>;
};

export type ForwardingOptions = {
  readonly run: Launcher['run'];
  /** What dies with the machine, as the kernel's setting does. */
  readonly runDir: string;
  /** Turn nothing on. */
  readonly never: boolean;
  /** Leave forwarding open for everybody (`--ip-forward-no-drop`). */
  readonly open: boolean;
  readonly warn: (message: string, error?: unknown) => void;
};

const SETTING = { ipv4: 'net/ipv4/ip_forward', ipv6: 'net/ipv6/conf/all/forwarding' } as const;

/**
 * Docker sets the policy of iptables' FORWARD chain to drop when it turned on forwarding, since a host that was no
 * router must not become one for its neighbours. We do the same in our own table, and let bridges of anybody pass.
 */
export function openForwarding({ run, runDir, never, open, warn }: ForwardingOptions): Forwarding {
  const mark = (family: ForwardingFamily): string => join(runDir, `forwards-${family}`);
  const families: readonly ForwardingFamily[] = ['ipv4', 'ipv6'];
  const closed = new Set(open ? [] : families.filter(family => existsSync(mark(family)) && isOn(family)));
  return {
    closed,
    async turnOn(family) {
      if (never || isOn(family)) return;
      try {
        // Noted first: whoever finds the setting on and no note would take it for the administrator's.
        await mkdir(runDir, { recursive: true, mode: 0o700 });
        await writeFile(mark(family), '');
        if (!open) closed.add(family);
        await run([sysctlStep(SETTING[family], '1')]);
      } catch (error) {
        closed.delete(family);
        warn(`turning on forwarding of ${family === 'ipv4' ? 'IPv4' : 'IPv6'}`, error);
      }
    },
  };
}

function isOn(family: ForwardingFamily): boolean {
  try {
    return readFileSync(`/proc/sys/${SETTING[family]}`, 'utf8').trim() !== '0';
  } catch {
    return false;
  }
}
