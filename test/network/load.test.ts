import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { importTree } from '../harness/image.ts';
import { rootOnly } from '../harness/skip.ts';

const run = promisify(execFile);
const port = 27_000 + Math.floor(Math.random() * 1000);
const number = Math.floor(Math.random() * 250);
const name = `gantryload${number}`;
const [here, there] = [`198.19.${number}.1`, `198.19.${number}.2`];

describe('published ports under load from another machine', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
    await importTree(daemon, 'hello', { programs: { 'bin/http-hello': 'http-hello.c' } });
    for (const command of [
      `netns add ${name}`,
      `link add ${name} type veth peer name lan netns ${name}`,
      `addr add ${here}/24 dev ${name}`,
      `link set ${name} up`,
      `-n ${name} addr add ${there}/24 dev lan`,
      `-n ${name} link set lan up`,
    ]) {
      await run('ip', command.split(' '));
    }
    const { code, stderr } = await daemon.docker(
      ...['run', '-d', '--name', 'web', '-p', `${port}:80`, 'hello', 'http-hello', '80'],
    );
    assert.equal(code, 0, stderr);
  });
  after(async () => {
    // The clients' side last: a namespace lives on while connections of it wait for an answer.
    await daemon?.[Symbol.asyncDispose]();
    await run('ip', ['netns', 'delete', name]);
    // Its end of the pair goes with the namespace, some time after; this one at once.
    await run('ip', ['link', 'delete', name]).catch(() => {});
  });

  const load = async (...options: string[]): Promise<{ readonly requests: number; readonly text: string }> => {
    const url = `http://${here}:${port}/`;
    const { stdout } = await run('ip', ['netns', 'exec', name, 'wrk', '-t1', '-c100', '-d2s', ...options, url]);
    return { requests: Number(/(\d+) requests in/.exec(stdout)?.[1] ?? 0), text: stdout };
  };

  test('a hundred clients at once are answered, none is lost, also while other ports come and go', async () => {
    for (const deadline = performance.now() + 5000; ; await delay(20)) {
      if (
        await fetch(`http://${here}:${port}/`).then(
          () => true,
          () => false,
        )
      )
        break;
      assert.ok(performance.now() < deadline, 'web answers');
    }
    let loading = true;
    const changing = (async () => {
      for (let round = 1; loading; round++) {
        const other = `${port + 1000 + (round % 5)}:81`;
        const change = round % 2 === 1 ? ['--publish-add', other] : ['--publish-rm', '81'];
        assert.equal((await daemon.gantry('update', ...change, 'web')).code, 0);
      }
    })();
    const { requests, text } = await load().finally(() => {
      loading = false;
    });
    await changing;
    assert.ok(requests > 500, text);
    assert.doesNotMatch(text, /Socket errors|Non-2xx/, text);
  });
});
