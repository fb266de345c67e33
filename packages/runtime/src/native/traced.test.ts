import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Bench, needsRoot } from './container.fixture.ts';

/** Traces a process, and never waits for it. */
const TRACER = `#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <unistd.h>
int main(int argc, char **argv) {
  if (argc < 2 || ptrace(PTRACE_SEIZE, atoi(argv[1]), 0, 0)) return 1;
  puts("traced");
  fflush(stdout);
  for (;;) pause();
}
`;

test('a shim rests while a tracer holds the end of its process back', needsRoot, async t => {
  await using bench = new Bench();
  const program = join(bench.directory, 'tracer');
  const compiled = spawnSync('cc', ['-x', 'c', '-o', program, '-'], { input: TRACER });
  if (compiled.status !== 0) return t.skip('needs a C compiler');
  const shim = await bench.launch('exec sleep 1000');
  const tracer = spawn(program, [String(shim.pid)], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await once(tracer.stdout, 'data');
    await shim.signal('init', 9);
    // Hundredths of a second of processor time, at user and kernel level.
    const ticks = (): number =>
      readFileSync(`/proc/${shim.shimPid}/stat`, 'utf8')
        .split(' ')
        .slice(13, 15)
        .reduce((sum, field) => sum + Number(field), 0);
    const before = ticks();
    // The time in which it shows whether it rests.
    await delay(1000);
    const used = ticks() - before;
    assert.ok(used < 10, `${used} of 100 ticks`);
  } finally {
    tracer.kill('SIGKILL');
  }
  assert.deepEqual(await shim.exited.then(({ code, signal }) => [code, signal]), [137, 9]);
});
