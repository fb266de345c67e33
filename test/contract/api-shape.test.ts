import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { test } from 'node:test';
import { startDaemon } from '../harness/daemon.ts';
import { rootOnly } from '../harness/skip.ts';
import { requests } from './api-requests.ts';
import { differences, type Shaped } from './shape.ts';

const peer = process.env.PEER_SOCKET ?? '/opt/peers/run/docker.sock';

/** A socket file may outlive its engine, so the engine is asked. */
function lacksPeer(): string | false {
  try {
    execFileSync('docker', ['-H', `unix://${peer}`, 'version'], { stdio: 'ignore', timeout: 5000 });
    return false;
  } catch {
    return 'this machine lacks a running dockerd to compare with (PEER_SOCKET)';
  }
}

/** The same requests to a running dockerd and to us: status, headers, and the keys of the answers are the same. */
test('answers have the shape of dockerd’s', {
  skip: rootOnly || lacksPeer(),
}, async t => {
  await using daemon = await startDaemon();
  const name = `gantry-shape-${randomBytes(3).toString('hex')}`;
  const sides = [peer, daemon.socket];
  const made: [side: number, id: string][] = [];
  try {
    for (const { title, method, path, body, headers, keep, ignore } of requests(name)) {
      const [theirs, ours] = await Promise.all(sides.map(socket => ask(socket, method, path, body, headers)));
      assert.ok(theirs && ours);
      for (const [side, answer] of [theirs, ours].entries()) {
        if (path.includes('/containers/create') && answer.status === 201)
          made.push([side, (JSON.parse(answer.body) as { Id: string }).Id]);
      }
      if (keep) continue;
      await t.test(title ?? `${method} ${path}${body === undefined ? '' : ` ${body.slice(0, 60)}`}`, () => {
        assert.deepEqual(differences(theirs, ours, ignore), []);
      });
    }
  } finally {
    // Those without a name too, which are nobody else's to remove.
    for (const [side, id] of made) await ask(sides[side] ?? '', 'DELETE', `/containers/${id}?force=1&v=1`);
    for (const socket of sides) {
      // In this order, since a volume in use cannot be removed.
      for (const path of [`/containers/${name}?force=1&v=1`, `/containers/${name}-2?force=1&v=1`]) {
        await ask(socket, 'DELETE', path);
      }
      await ask(socket, 'DELETE', `/volumes/${name}`);
      await ask(socket, 'DELETE', `/images/${name}:tagged`);
    }
  }
});

function ask(
  socketPath: string,
  method: string,
  path: string,
  body?: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Shaped> {
  return new Promise((resolve, reject) => {
    const typed =
      body === undefined || 'Content-Type' in headers ? headers : { ...headers, 'Content-Type': 'application/json' };
    const sent = request({ socketPath, method, path, headers: typed, agent: false }, answer => {
      const chunks: Buffer[] = [];
      answer.on('data', chunk => chunks.push(chunk));
      answer.once('error', reject);
      answer.once('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks).toString() }),
      );
    });
    sent.once('error', reject);
    sent.end(body);
  });
}
