import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { DaemonConfig } from '../config/config.ts';
import { createLog } from '../log.ts';
import { openListeners } from './listeners.ts';

test('listeners close while a client has an upgraded connection, which ends', {
  skip: process.getuid?.() !== 0 && 'needs root',
  timeout: 20_000,
}, async t => {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-listeners-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'a.sock');
  const config = { tls: { enabled: false }, group: '0' } as DaemonConfig;
  const server = createServer().on('upgrade', (_request, socket) => {
    socket.on('error', () => {});
    socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
  });
  const listeners = await openListeners([{ kind: 'unix', path }], config, () => server, createLog('text', 'fatal'));
  const client = connect(path);
  client.write('POST /containers/a/attach HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
  const [answer] = await once(client, 'data');
  assert.match(String(answer), /^HTTP\/1.1 101/);
  const ended = once(client, 'close');
  await listeners[Symbol.asyncDispose]();
  await ended;
});
