import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { encodeRequest } from './encode.ts';
import type { Step } from './steps.ts';

const fuzzer = fileURLToPath(new URL('../../native/build/fuzz-plan', import.meta.url));

const file = { at: 3, path: 'a/b' } as const;
/** One of each step. */
const steps = [
  { op: 'open', slot: 1, flags: 0, mode: 0o600, ...file, ignore: [2, 20] },
  { op: 'close', slot: 1 },
  { op: 'mkdirAll', mode: 0o755, ...file },
  { op: 'mkdir', mode: 0o755, ...file },
  { op: 'touch', mode: 0o644, ...file },
  { op: 'symlink', target: 'x', ...file },
  { op: 'mknod', mode: 0o20666, major: 1, minor: 3, ...file },
  { op: 'chown', uid: 1, gid: 2, ...file },
  { op: 'chmod', mode: 0o700, ...file },
  { op: 'unlink', ...file },
  { op: 'rmdir', ...file, ignore: [2] },
  { op: 'writeFile', data: 'value', fsMagic: 0x9fa0, ...file },
  { op: 'createFile', data: 'text', mode: 0o644, ...file },
  { op: 'mount', source: 'tmpfs', type: 'tmpfs', flags: 2, data: 'size=1m', ...file },
  { op: 'fsMount', slot: 4, type: 'tmpfs', options: [['size', '64k'], ['ro']], attributes: 0 },
  { op: 'openTree', slot: 5, recursive: true, ...file },
  { op: 'mountSetattr', slot: 5, set: 1, clear: 0, propagation: 0, recursive: true },
  { op: 'moveMount', slot: 5, ...file },
  { op: 'umount', flags: 2, ...file },
  { op: 'pivotRoot', slot: 5 },
  { op: 'unshare', flags: 0 },
  { op: 'setns', slot: 6, flags: 0 },
  { op: 'setsid' },
  { op: 'beBorn', slots: [0, 63, 64, 127] },
  { op: 'console', ptmx: 'ptmx', rows: 24, columns: 80, uid: 0 },
  { op: 'hostname', name: 'host' },
  { op: 'domainname', name: 'domain' },
  { op: 'rlimit', resource: 7, soft: 1n, hard: 0xffffffffffffffffn, clamp: true },
  { op: 'umask', mask: 0o22 },
  { op: 'sessionKeyring', name: 'ring' },
  { op: 'personality', persona: 0 },
  { op: 'boundingSet', mask: 0x1ffn },
  { op: 'user', uid: 0, gid: 0, groups: [1, 2, 3] },
  { op: 'capabilities', effective: 1n, permitted: 1n, inheritable: 0n, ambient: 0n },
  { op: 'noNewPrivileges' },
  { op: 'seccomp', filter: new Uint8Array(16), flags: 0 },
  { op: 'chdir', path: '/' },
  { op: 'barrier', id: 1, timeoutMs: 1000 },
  { op: 'netlink', protocol: 0, message: new Uint8Array(32), pidAt: 4, fdAt: 8, fdSlot: 2, reply: true, ignore: [17] },
  { op: 'hostSocket', protocol: 'udp', address: '::1', port: 53, relayTo: { address: '10.0.0.2', port: 53 } },
  { op: 'hostSocket', protocol: 'tcp', address: '127.0.0.11', port: 53, inside: true },
  { op: 'hostSocket', protocol: 'tcp', address: '::', port: 8000, count: 1000, bothFamilies: true },
  { op: 'exec', argv: ['a', 'b c'], env: ['PATH=/bin', 'É=é'], slot: 9 },
  { op: 'deviceProgram', program: new Uint8Array(16), ...file },
] as const satisfies readonly Step[];

type Missing = Exclude<Step['op'], (typeof steps)[number]['op']>;
/** A compile error here names the steps that the list above lacks. */
const complete: [Missing] extends [never] ? true : Missing = true;

const seed = encodeRequest({
  kind: 'launch',
  id: 'f'.repeat(64),
  runDir: '/run/x',
  plan: { cloneFlags: 0x20000000, prepare: steps.slice(0, 12), parent: steps.slice(12, 20), child: steps.slice(20) },
  stdio: { tty: false, openStdin: true, stdinOnce: true },
  log: { driver: 'json-file', path: '/log', maxSizeBytes: 1, maxFiles: 2, compress: true, bufferBytes: 3 },
  slotCount: 3,
  rootSlot: 0,
  timeoutMs: 1000,
  attachments: [
    {
      options: { stdin: true, stdout: true, stderr: true, detachKeys: Uint8Array.of(16, 17), multiplexed: true },
      head: Buffer.from('head'),
    },
  ],
});

test('a string with a NUL byte is refused before native code sees it', () => {
  const child: Step[] = [{ op: 'exec', argv: ['a\0b'], env: [] }];
  assert.throws(() => encodeRequest({ kind: 'launch', id: 'x', plan: { child } }), /NUL/);
});

test('a request with every step is read back whole, and no mutation of it leads outside its bytes', {
  skip: !existsSync(fuzzer) && 'build it with `make -C packages/runtime/native build/fuzz-plan`',
}, () => {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-fuzz-'));
  assert.ok(complete);
  try {
    writeFileSync(join(directory, 'seed'), seed);
    assert.match(execFileSync(fuzzer, [join(directory, 'seed')], { encoding: 'utf8' }), /^\d+ bytes read$/m);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
