/** The mount flags of our own command line: what it refuses and what it asks for is what the official client does. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { mountCases } from '../contract/mount-cases.ts';
import { startDaemon } from '../harness/daemon.ts';
import type { Ended } from '../harness/execute.ts';
import { rootOnly } from '../harness/skip.ts';

/** Forms that only the client looks at. */
const forms: readonly (readonly string[])[] = [
  ['--mount', ''],
  ['--mount', 'type=volume'],
  ['--mount', 'type=volume,dst'],
  ['--mount', 'type=volume,src=x,dst=/d,odd=1'],
  ['--mount', 'type=volume,src=x,dst=/d,readonly=perhaps'],
  ['--mount', 'type=volume,src=x,dst=/d,volume-nocopy=perhaps'],
  ['--mount', 'type=volume,src=x,dst=/d,bind-propagation=rslave'],
  ['--mount', 'type=bind,src=/tmp,dst=/d,volume-nocopy'],
  ['--mount', 'type=bind,src=/tmp,dst=/d,bind-recursive=odd'],
  ['--mount', 'type=bind,src=/tmp,dst=/d,bind-recursive=readonly'],
  ['--mount', 'type=bind,src=/tmp,dst=/d,readonly,bind-recursive=readonly'],
  ['--mount', 'type=tmpfs,dst=/d,tmpfs-size=odd'],
  ['--mount', 'type=tmpfs,dst=/d,tmpfs-size=1.5g,tmpfs-mode=0700'],
  ['--mount', 'type=tmpfs,dst=/d,tmpfs-mode=9'],
  ['--mount', 'type=tmpfs,dst=/d,bind-propagation=rslave'],
  ['--mount', 'type=image,src=busybox,dst=/d,volume-nocopy'],
  ['--mount', 'type=volume,dst=/d,image-subpath=x'],
  ['--mount', 'TYPE=volume,Source=Upper,TARGET=/d'],
  ['--mount', 'type=volume,"src=quoted",dst=/d'],
  ['--mount', 'type=volume,"volume-opt=o=a,b",volume-opt=type=tmpfs,volume-opt=device=tmpfs,dst=/d'],
  ['--mount', 'type=volume,src="half,dst=/d'],
  ['--mount', 'type=volume, src=space,dst=/d'],
  ['-v', ''],
  ['-v', ':/d'],
  ['-v', 'a:b:c:d'],
  ['-v', '/a:/b:ro:z'],
  ['-v', './here:/d'],
  ['-v', '../up:/d'],
  ['-v', '~/x:/d'],
  ['-v', 'name:'],
  ['--tmpfs', ''],
  ['--tmpfs', '/d:'],
  ['--volumes-from', ''],
];

/** Not every client of Docker 28 knows this key. */
const isKnown = (flags: readonly string[]): boolean => !flags.some(flag => flag.includes('bind-create-src'));

type Asked = { readonly HostConfig: Record<string, unknown>; readonly Config: Record<string, unknown> };

test('mount flags are read as the official client reads them', { skip: rootOnly, timeout: 300_000 }, async t => {
  await using daemon = await startDaemon();
  const folder = mkdtempSync(join(daemon.root, 'flags-'));
  for (const name of ['d', 'd2']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'f'), '');
  const fill = (text: string): string => text.replaceAll('@', 'flags').replaceAll('#', folder);
  const lines = [
    ...mountCases
      .filter(({ before }) => before === undefined)
      .map(({ flags }) => flags)
      .filter(isKnown),
    ...forms,
  ];
  const unique = new Map(lines.map(flags => [flags.join(' '), flags.map(fill)]));
  const outcome = async (client: (...args: string[]) => Promise<Ended>, flags: readonly string[]) => {
    const { code, stdout, stderr } = await client('create', '--pull', 'never', ...flags, 'busybox', 'true');
    // Hints are ours.
    const words = stderr.replace(/^Hint: .*\n/gm, '');
    const text = words.replaceAll(/docker|gantry/g, 'PROGRAM').replace(/[0-9a-f]{64}/g, 'ID');
    if (code !== 0) return { code, text };
    const id = stdout.trim();
    const { HostConfig, Config } = JSON.parse((await daemon.api('GET', `/containers/${id}/json`)).body) as Asked;
    assert.equal((await daemon.api('DELETE', `/containers/${id}?v=1`)).status, 204);
    const { Mounts, Tmpfs, VolumesFrom, VolumeDriver } = HostConfig;
    // The official client sends several in any order.
    const Binds = (HostConfig.Binds as string[] | null)?.toSorted() ?? null;
    return { code, text, asked: { Binds, Mounts, Tmpfs, VolumesFrom, VolumeDriver, Volumes: Config.Volumes } };
  };
  for (const [title, flags] of unique) {
    await t.test(title, async () => {
      const [theirs, ours] = await Promise.all([outcome(daemon.docker, flags), outcome(daemon.gantry, flags)]);
      assert.deepEqual(ours, theirs);
    });
  }
});
