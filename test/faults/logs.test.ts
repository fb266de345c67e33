/** Logs while the daemon is killed, and while the disk below them hangs. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startDaemon } from '../harness/daemon.ts';
import { until } from '../harness/raw.ts';
import { rootOnly } from '../harness/skip.ts';
import { slowness } from '../harness/slowness.ts';

const TIMEOUT_MS = 60_000 * slowness;

test('a daemon that is killed while it compresses loses no line and leaves no half file', {
  skip: rootOnly,
}, async () => {
  await using daemon = await startDaemon();
  const options = ['max-size=300k', 'max-file=100', 'compress=true'].flatMap(option => ['--log-opt', option]);
  const script = 'i=0; while [ $i -lt 40 ]; do seq $((i*5000)) $((i*5000+4999)); i=$((i+1)); sleep 0.1; done';
  await daemon.docker('run', '-d', '--network', 'none', '--name', 'counter', ...options, 'busybox', 'sh', '-c', script);
  const id = (await daemon.docker('inspect', '-f', '{{.Id}}', 'counter')).stdout.trim();
  const files = (): string[] =>
    readdirSync(join(daemon.dataRoot, 'containers', id)).filter(name => name.includes('-json.log'));
  for (let round = 0; round < 6; round++) {
    await delay(Math.random() * 500);
    await daemon.end('SIGKILL');
    await daemon.start();
  }
  assert.equal((await daemon.docker('wait', 'counter')).stdout, '0\n');
  const expected = Array.from({ length: 200_000 }, (_, n) => `${n}\n`).join('');
  assert.ok((await daemon.docker('logs', 'counter')).stdout === expected, 'every line, once, in order');
  await until(() => {
    const left = files().filter(name => !name.endsWith('.gz') && !name.endsWith('-json.log'));
    return left.length === 0 ? undefined : `not compressed: ${left.join()}`;
  }, TIMEOUT_MS);
  for (const name of files().filter(file => file.endsWith('.gz'))) {
    execFileSync('gzip', ['-t', join(daemon.dataRoot, 'containers', id, name)]);
  }
  assert.ok((await daemon.docker('logs', 'counter')).stdout === expected, 'the same when all is compressed');
});

test('a container with a non-blocking log goes on while the disk below the log hangs', {
  skip: rootOnly || (!existsSync('/usr/sbin/fsfreeze') && 'needs fsfreeze'),
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-frozen-'));
  const disk = join(folder, 'disk');
  const dataRoot = join(folder, 'data');
  const shared = join(folder, 'shared');
  mkdirSync(dataRoot);
  mkdirSync(shared);
  execFileSync('sh', ['-c', `truncate -s 200M ${disk} && mkfs.ext4 -q ${disk} && mount -o loop ${disk} ${dataRoot}`]);
  try {
    await using daemon = await startDaemon({ dataRoot });
    /** A byte for each line that the container has written. */
    const count = (): number => statSync(join(shared, 'ticks')).size;
    writeFileSync(join(shared, 'ticks'), '');
    const script = 'i=0; while [ ! -e /shared/end ]; do i=$((i+1)); echo $i; echo >>/shared/ticks; done';
    const options = ['--log-opt', 'mode=non-blocking', '--log-opt', 'max-buffer-size=64k', '-v', `${shared}:/shared`];
    await daemon.docker(
      'run',
      '-d',
      '--network',
      'none',
      '--name',
      'counter',
      ...options,
      'busybox',
      'sh',
      '-c',
      script,
    );
    await until(() => (count() > 100 ? undefined : `at ${count()}`), TIMEOUT_MS);
    execFileSync('fsfreeze', ['-f', dataRoot]);
    try {
      // More than ring, pipe and the shim's own buffers hold.
      const start = count();
      await until(() => (count() > start + 20_000 ? undefined : `at ${count()} after ${start}`), TIMEOUT_MS);
    } finally {
      execFileSync('fsfreeze', ['-u', dataRoot]);
    }
    writeFileSync(join(shared, 'end'), '');
    assert.equal((await daemon.docker('wait', 'counter')).stdout, '0\n');
    const kept = (await daemon.docker('logs', 'counter')).stdout.split('\n').slice(0, -1).map(Number);
    assert.ok(kept.length < count(), 'lines were lost');
    assert.ok(
      kept.every((n, index) => index === 0 || n > (kept[index - 1] ?? 0)),
      'what was kept is in order',
    );
    assert.match(daemon.log(), /the log of counter has lost \d+ lines/);
  } finally {
    execFileSync('umount', [dataRoot]);
    rmSync(folder, { recursive: true });
  }
});
