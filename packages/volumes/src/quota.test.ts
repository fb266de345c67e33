import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { StateStore } from '@gantry/store';
import { openVolumeStore } from './index.ts';

const MEBIBYTE = 1024 * 1024;

/** Mounts a new ext4 with project quota, where the kernel has it. */
function withQuotaDisk(): { readonly root: string; readonly disk: string } | string {
  if (process.getuid?.() !== 0) return 'needs root';
  const scratch = mkdtempSync(join(tmpdir(), 'gantry-volume-quota-'));
  const [image, disk] = [join(scratch, 'image'), join(scratch, 'disk')];
  mkdirSync(disk);
  writeFileSync(image, '');
  truncateSync(image, 64 * MEBIBYTE);
  const made = spawnSync('mkfs.ext4', ['-q', '-O', 'quota,project', '-E', 'quotatype=prjquota', image]);
  const mounted = made.status === 0 && spawnSync('mount', ['-o', 'loop,prjquota', image, disk]).status === 0;
  if (mounted) return { root: scratch, disk };
  rmSync(scratch, { recursive: true });
  return 'the kernel of this machine lacks project quota on ext4 (test/vm/quota.test.ts has one)';
}

/** Writes as a container's process does: root without CAP_SYS_RESOURCE, which is above quotas on ext4. */
function fill(directory: string): number {
  const path = join(directory, 'filling');
  const dd = ['dd', 'if=/dev/zero', `of=${path}`, 'bs=1M', 'count=12', 'oflag=sync'];
  const { stderr } = spawnSync('setpriv', ['--bounding-set', '-sys_resource', ...dd], { encoding: 'utf8' });
  const written = statSync(path).size / MEBIBYTE;
  if (written < 12) assert.match(stderr, /Disk quota exceeded|No space left on device/);
  return written;
}

const place = withQuotaDisk();

test('a volume on ext4 holds no more than its size, also after it was restored', {
  skip: typeof place === 'string' && place,
}, async () => {
  if (typeof place === 'string') return;
  try {
    using store = new StateStore(':memory:');
    const volumes = await openVolumeStore({ root: join(place.disk, 'volumes'), store, run: async () => new Map() });
    const create = (name: string, size?: string) =>
      volumes.create({
        name,
        driver: 'local',
        driverOptions: size === undefined ? {} : { size },
        labels: {},
      });
    const [free, small, large] = [await create('free'), await create('small', '4m'), await create('large', '8MiB')];
    assert.equal(fill(free.mountpoint), 12);
    const [inSmall, inLarge] = [fill(small.mountpoint), fill(large.mountpoint)];
    assert.ok(inSmall >= 2 && inSmall <= 4, `${inSmall} MiB of 4`);
    assert.ok(inLarge >= 6 && inLarge <= 8, `${inLarge} MiB of 8`);
    // What it replaces does not count against it.
    await volumes.replace('small', async directory => writeFileSync(join(directory, 'new'), 'x'));
    const restored = fill(small.mountpoint);
    assert.ok(restored >= 2 && restored <= 4, `${restored} MiB of 4`);
    await volumes.remove('small');
    const again = fill((await create('small', '4m')).mountpoint);
    assert.ok(again >= 2 && again <= 4, `${again} MiB of 4: a new one begins empty`);
  } finally {
    execFileSync('umount', ['-l', place.disk]);
    rmSync(place.root, { recursive: true, force: true });
  }
});
