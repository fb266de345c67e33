import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { runInVm, startInVm, vmSkip } from '../harness/vm.ts';

const skip = vmSkip();
// A disk file, not below /tmp, which may be in memory.
const folder = skip ? '' : mkdtempSync('/var/tmp/gantry-power-');
after(() => {
  if (folder) rmSync(folder, { recursive: true });
});

/** Starts a daemon whose data is on the disk that loses what was not flushed. */
const daemon = `
export DOCKER_HOST=unix:///tmp/gantry.sock
./gantry daemon --host $DOCKER_HOST --data-root /scratch/data --exec-root /tmp/run --pidfile /tmp/pid >/tmp/log 2>&1 &
until docker version >/dev/null 2>&1; do [ -d /proc/$! ] || { cat /tmp/log; exit 1; }; done
`;

/** Says each thing once the engine has acknowledged it. */
const work = `
mkdir -p /tmp/root/bin && cp /usr/bin/busybox /tmp/root/bin/busybox && tar -C /tmp/root -cf /tmp/image.tar . || exit 1
i=0
while :; do
  i=$((i+1))
  docker import /tmp/image.tar image$i >/dev/null && echo image image$i
  docker volume create volume$i >/dev/null && echo volume volume$i
  docker create --name box$i -v volume$i:/data image$i /bin/busybox true >/dev/null && echo box box$i
  docker commit box$i committed$i >/dev/null && echo image committed$i
  docker create --name gone$i image$i true >/dev/null && docker rm gone$i >/dev/null && echo gone gone$i
done
`;

const look = `
docker images --format 'image {{.Repository}}'
# A save rebuilds every layer and checks its digest.
for image in $(docker images --format '{{.Repository}}'); do docker save $image >/dev/null || echo broken $image; done
docker volume ls --format 'volume {{.Name}}'
docker ps -a --format 'box {{.Names}}'
for box in $(docker ps -aq --filter name=box --filter status=created); do
  docker start -a $box >/dev/null && echo ran $(docker inspect -f '{{.Name}}' $box)
done
`;

test('what was acknowledged before a power cut is there after it, and runs', { skip }, async () => {
  const disk = ['--disk', join(folder, 'disk'), '--timeout', '500'];
  const machine = startInVm(daemon + work, disk);
  const said: string[] = [];
  let errors = '';
  machine.stderr?.on('data', chunk => {
    errors += chunk;
  });
  const ended = new Promise(done => machine.once('close', done));
  assert.ok(machine.stdout);
  for await (const line of createInterface({ input: machine.stdout })) {
    said.push(line);
    // In the middle of what comes next.
    if (said.length === 8) machine.kill();
  }
  await ended;
  assert.ok(said.length >= 8, `${said.join('\n')}\n${errors}`);

  const { code, output } = await runInVm(daemon + look, disk);
  assert.equal(code, 0, output);
  assert.doesNotMatch(output, /^broken /m);
  const found = new Set(output.split('\n'));
  for (const line of said) {
    if (line.startsWith('gone ')) assert.ok(!found.has(line.replace('gone', 'box')), `${line}:\n${output}`);
    else assert.ok(found.has(line), `${line} is lost:\n${output}`);
    if (line.startsWith('box '))
      assert.ok(found.has(line.replace('box ', 'ran /')), `${line} does not run:\n${output}`);
  }
});
