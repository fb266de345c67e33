import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { test } from 'node:test';
import { inheritedFileLimit } from './inherited.ts';

const limits = `Limit                     Soft Limit           Hard Limit           Units
Max processes             96365                96365                processes
Max open files            20000                20000                files
Max locked memory         8388608              8388608              bytes
`;

test('containers get the soft limit of open files that the daemon was started with', () => {
  assert.deepEqual(inheritedFileLimit({ GANTRY_NOFILE: '1024' }, limits), { Name: 'nofile', Soft: 1024, Hard: 20000 });
  assert.deepEqual(inheritedFileLimit({ GANTRY_NOFILE: 'unlimited' }, limits), {
    Name: 'nofile',
    Soft: -1,
    Hard: 20000,
  });
  for (const env of [{}, { GANTRY_NOFILE: '' }, { GANTRY_NOFILE: '1e3' }]) {
    assert.equal(inheritedFileLimit(env, limits), undefined);
  }
});

test('descriptors that the starting command had open are closed, those named in the environment are not', () => {
  const file = openSync('/dev/null', 'r');
  try {
    const script = `
      const { closeInheritedDescriptors } = await import(${JSON.stringify(new URL('./inherited.ts', import.meta.url).href)});
      const { existsSync, readlinkSync } = await import('node:fs');
      closeInheritedDescriptors({ GANTRY_READY_FD: '41', LISTEN_FDS: '0' });
      console.log([40, 41, 42].map(fd => existsSync('/proc/self/fd/' + fd)).join());`;
    const { stdout, stderr } = spawnSync(
      'bash',
      ['-c', 'exec 40<&9 41<&9 42<&9; exec "$0" --input-type=module -e "$1"', process.execPath, script],
      { stdio: ['ignore', 'pipe', 'pipe', ...Array(6).fill('ignore'), file], encoding: 'utf8' },
    );
    assert.equal(`${stdout}${stderr}`, 'false,true,false\n');
  } finally {
    closeSync(file);
  }
});
