import { type ByteWriter, NONE } from './bytes.ts';
import type { Step } from './steps.ts';

/** Numbers of the ops, in the order of `enum op` in native/wire.h. */
const OPS = [
  'open',
  'close',
  'mkdirAll',
  'mkdir',
  'touch',
  'symlink',
  'mknod',
  'chown',
  'chmod',
  'unlink',
  'rmdir',
  'writeFile',
  'mount',
  'fsMount',
  'openTree',
  'mountSetattr',
  'moveMount',
  'umount',
  'pivotRoot',
  'unshare',
  'setns',
  'setsid',
  'console',
  'hostname',
  'domainname',
  'rlimit',
  'umask',
  'sessionKeyring',
  'personality',
  'boundingSet',
  'user',
  'capabilities',
  'noNewPrivileges',
  'seccomp',
  'chdir',
  'exec',
  'barrier',
  'netlink',
  'hostSocket',
  'deviceProgram',
  'createFile',
  'beBorn',
] as const satisfies readonly Step['op'][];

const numberOf = new Map<Step['op'], number>(OPS.map((op, index) => [op, index + 1]));

const PROTOCOLS = { tcp: 0, udp: 1, sctp: 2 } as const;

/** Writes one step: its op and its fields in the order of `layouts` in native/wire.c. */
export function encodeStep(out: ByteWriter, step: Step): ByteWriter {
  out.u32(numberOf.get(step.op) ?? 0);
  const at = (named: { readonly at?: number; readonly path: string }): ByteWriter =>
    out.u32(named.at ?? -1).string(named.path);
  const ignore = (tolerant: { readonly ignore?: readonly number[] }): ByteWriter => out.numbers(tolerant.ignore ?? []);
  switch (step.op) {
    case 'open':
      at(step);
      out.u64(step.slot);
      out.u64(step.flags);
      out.u64(step.mode ?? 0);
      return ignore(step);
    case 'close':
    case 'pivotRoot':
      return out.u64(step.slot);
    case 'mkdirAll':
    case 'touch':
    case 'chmod':
      at(step);
      return out.u64(step.mode);
    case 'mkdir':
      at(step);
      out.u64(step.mode);
      return ignore(step);
    case 'symlink':
      at(step);
      out.string(step.target);
      return ignore(step);
    case 'mknod':
      at(step);
      for (const value of [step.mode, step.major, step.minor, step.uid ?? 0, step.gid ?? 0]) out.u64(value);
      return ignore(step);
    case 'chown':
      at(step);
      out.u64(step.uid);
      return out.u64(step.gid);
    case 'unlink':
    case 'rmdir':
      at(step);
      return ignore(step);
    case 'writeFile':
      at(step);
      out.data(Buffer.from(step.data));
      out.u64(step.fsMagic ?? NONE);
      return ignore(step);
    case 'mount':
      at(step);
      out.string(step.source);
      out.string(step.type);
      out.u64(step.flags);
      out.string(step.data);
      return ignore(step);
    case 'fsMount':
      out.u64(step.slot);
      out.string(step.type);
      out.u64(step.attributes);
      out.list(step.options.map(([key]) => key));
      return out.list(step.options.map(([, value]) => (value === undefined ? '' : `=${value}`)));
    case 'openTree':
      at(step);
      out.u64(step.slot);
      return out.u64(Number(step.recursive));
    case 'mountSetattr':
      for (const value of [step.slot, step.set, step.clear, step.propagation, Number(step.recursive)]) out.u64(value);
      return out;
    case 'moveMount':
      at(step);
      return out.u64(step.slot);
    case 'umount':
      at(step);
      out.u64(step.flags);
      return ignore(step);
    case 'beBorn': {
      const mask = step.slots.reduce((bits, slot) => bits | (1n << BigInt(slot)), 0n);
      out.u64(mask & NONE);
      return out.u64(mask >> 64n);
    }
    case 'unshare':
      return out.u64(step.flags);
    case 'setns':
      out.u64(step.slot);
      return out.u64(step.flags);
    case 'setsid':
    case 'noNewPrivileges':
      return out;
    case 'console':
      at({ at: step.at, path: step.ptmx });
      out.u64(step.rows);
      out.u64(step.columns);
      return out.u64(step.uid);
    case 'hostname':
    case 'domainname':
    case 'sessionKeyring':
      return out.string(step.name);
    case 'rlimit':
      for (const value of [step.resource, step.soft, step.hard, Number(step.clamp)]) out.u64(value);
      return out;
    case 'umask':
      return out.u64(step.mask);
    case 'personality':
      return out.u64(step.persona);
    case 'boundingSet':
      return out.u64(step.mask);
    case 'user':
      out.u64(step.uid);
      out.u64(step.gid);
      return out.data(new Uint8Array(Uint32Array.from(step.groups).buffer));
    case 'capabilities':
      for (const value of [step.effective, step.permitted, step.inheritable, step.ambient]) out.u64(value);
      return out;
    case 'seccomp':
      out.u64(step.flags);
      return out.data(step.filter);
    case 'chdir':
      return out.string(step.path);
    case 'exec':
      out.u64(step.slot ?? NONE);
      out.list(step.argv);
      return out.list(step.env);
    case 'barrier':
      out.u64(step.id);
      return out.u64(step.timeoutMs);
    case 'netlink':
      out.u64(step.protocol);
      out.data(step.message);
      for (const value of [step.pidAt ?? NONE, step.fdAt ?? NONE, step.fdSlot ?? NONE, Number(step.reply ?? false)])
        out.u64(value);
      return ignore(step);
    case 'hostSocket':
      out.u64(PROTOCOLS[step.protocol]);
      out.string(step.address);
      out.u64(step.port);
      out.string(step.relayTo?.address);
      out.u64(step.relayTo?.port ?? 0);
      out.u64(Number(step.inside ?? false));
      out.u64(step.count ?? 1);
      return out.u64(Number(step.bothFamilies ?? false));
    case 'deviceProgram':
      at(step);
      return out.data(step.program);
    case 'createFile':
      at(step);
      out.data(Buffer.from(step.data));
      return out.u64(step.mode);
  }
}
