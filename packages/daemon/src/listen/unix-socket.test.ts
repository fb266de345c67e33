import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { listenUnix } from './unix-socket.ts';

const root = { skip: process.getuid?.() !== 0 && 'needs root' };

function inDirectory(work: (path: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const directory = mkdtempSync(join(tmpdir(), 'gantry-listen-'));
    try {
      await work(join(directory, 'a.sock'));
    } finally {
      rmSync(directory, { recursive: true });
    }
  };
}

test(
  'a socket is there for root and its group only, answers under its name, and is gone when it closes',
  root,
  inDirectory(async path => {
    const server = createServer(socket => socket.end('hello'));
    const listening = await listenUnix(server, path, '1');
    const { mode, gid } = statSync(path);
    assert.equal(mode & 0o777, 0o660);
    assert.equal(gid, 1);
    const socket = connect(path);
    const [data] = await once(socket, 'data');
    assert.equal(String(data), 'hello');
    socket.destroy();
    listening[Symbol.dispose]();
    assert.equal(existsSync(path), false);
    server.close();
  }),
);

test(
  'what a killed daemon left is replaced, what another one serves is not',
  root,
  inDirectory(async path => {
    const first = createServer();
    await listenUnix(first, path, '');
    await assert.rejects(listenUnix(createServer(), path, ''), {
      message: `can't create unix socket ${path}: is in use`,
    });
    // Closed like this the file stays, since it was renamed.
    first.close();
    await once(first, 'close');
    assert.ok(existsSync(path));
    const second = createServer();
    using _ = await listenUnix(second, path, '');
    second.close();
  }),
);

test(
  'a file that is no socket, and a group that does not exist, are refused',
  root,
  inDirectory(async path => {
    await assert.rejects(listenUnix(createServer(), path, 'no-such-group'), /group no-such-group not found/);
    writeFileSync(path, '');
    await assert.rejects(listenUnix(createServer(), path, ''), /something else is there/);
  }),
);
