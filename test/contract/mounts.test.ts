import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startDaemon } from '../harness/daemon.ts';
import { type Ended, execute } from '../harness/execute.ts';
import { busyboxArchive } from '../harness/image.ts';
import { rootOnly } from '../harness/skip.ts';
import { type MountCase, mountCases } from './mount-cases.ts';
import { lacksPeer, PEER_ROOT, PEER_SOCKET } from './peer.ts';

type Outcome = { readonly code: number; readonly output: unknown; readonly error: string; readonly mounts: unknown };
type Side = { readonly docker: (...args: string[]) => Promise<Ended>; readonly dataRoot: string };

const SHOWN = 'cat /proc/mounts';
const DEFAULT_ROWS =
  /^\S+ \/(proc|dev|dev\/(pts|mqueue|shm)|sys|sys\/fs\/cgroup|etc\/(resolv.conf|hostname|hosts)|)( |\/)/;

/** The same command lines to a running dockerd and to us: exit, output, errors, Mounts of inspect, and what is mounted inside. */
test('mounts are made, shown and refused as dockerd does', {
  skip: rootOnly || lacksPeer(),
  timeout: 600_000,
}, async t => {
  await using daemon = await startDaemon();
  const name = `gantry-mounts-${randomBytes(3).toString('hex')}`;
  const folder = `/tmp/${name}`;
  const ours: Side = { docker: daemon.docker, dataRoot: daemon.dataRoot };
  const theirs: Side = {
    docker: (...args) => execute('docker', ['-H', `unix://${PEER_SOCKET}`, ...args]),
    dataRoot: '/var/lib/docker',
  };
  const has = await theirs.docker('image', 'inspect', 'busybox');
  if (has.code !== 0) assert.equal((await theirs.docker('import', busyboxArchive(), 'busybox')).code, 0);
  try {
    const only = process.env.GANTRY_CASE;
    for (const [index, item] of mountCases.entries()) {
      if (only !== undefined && !only.split(',').includes(String(index))) continue;
      const title = [...(item.before ?? []).map(words => words.join(' ')), `run ${item.flags.join(' ')}`].join('; ');
      await t.test(`${index}: ${title}`, async () => {
        for (const root of ['', PEER_ROOT]) layOut(join(root, folder));
        const [their, our] = await Promise.all([theirs, ours].map(side => outcome(side, item, name, folder)));
        assert.deepEqual(our, their);
      });
    }
  } finally {
    await Promise.all([theirs, ours].map(side => cleanUp(side, name)));
    for (const root of ['', PEER_ROOT]) rmSync(join(root, folder), { recursive: true, force: true });
  }
});

function layOut(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  for (const directory of ['d', 'd2', 'with space']) mkdirSync(join(folder, directory), { recursive: true });
  for (const file of ['f', 'd/one', 'd2/two', 'with space/three']) writeFileSync(join(folder, file), `${file}\n`);
  symlinkSync('d', join(folder, 'link'));
}

async function outcome(side: Side, item: MountCase, name: string, folder: string): Promise<Outcome> {
  await cleanUp(side, name);
  const fill = (text: string): string => text.replaceAll('@', name).replaceAll('#', folder);
  const plain = (text: string): string =>
    text
      .replaceAll(side.dataRoot, 'DATA')
      .replaceAll(name, 'NAME')
      .replace(/[0-9a-f]{64}/g, 'ID')
      // Names that the engines give their own things.
      .replace(/\/overlay2\/[^ ",]+/g, 'LAYER');
  const told: string[] = [];
  for (const words of item.before ?? []) {
    const { stderr } = await side.docker(...words.map(fill));
    told.push(plain(stderr));
  }
  const script = item.script ?? SHOWN;
  const ran = await side.docker(
    ...['run', '--name', name, '--network', 'none', ...item.flags.map(fill), 'busybox', 'sh', '-c', script],
  );
  const inspected = await side.docker('inspect', '-f', '{{json .Mounts}}', name);
  const mounts = (JSON.parse(inspected.stdout.trim() || '[]') as Record<string, unknown>[] | null) ?? [];
  for (const mount of mounts) for (const field of item.ignore ?? []) delete mount[field];
  const output = plain(ran.stdout)
    .split('\n')
    .filter(line => !DEFAULT_ROWS.test(line))
    .map(line =>
      (line.includes(' ext4 ') ? line.replace(/^\S+/, 'DEVICE') : line).replace(
        /^overlay (\S+) overlay (r[ow]).*/,
        'overlay $1 $2',
      ),
    );
  return {
    code: ran.code,
    output: script.includes(SHOWN) ? output.sort() : output,
    error: item.ignoreText
      ? ''
      : plain(
          [...told, ran.stderr]
            .join('')
            .replace('WARNING: Image mount is an experimental feature\n', '')
            .replace(/\n+Run 'docker run --help'.*/s, ''),
        ),
    mounts: JSON.parse(
      plain(JSON.stringify(mounts.sort((a, b) => (String(a.Destination) < String(b.Destination) ? -1 : 1)))),
    ),
  };
}

async function cleanUp(side: Side, name: string): Promise<void> {
  await side.docker('rm', '-fv', name, `${name}-other`);
  await side.docker('volume', 'rm', '-f', `${name}v`, `${name}v2`);
}
