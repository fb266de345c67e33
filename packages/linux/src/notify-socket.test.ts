import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { notifyServiceManager } from './notify-socket.ts';

// Node has no unix datagram sockets; Python stands in for the service manager.
const listener = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = sys.argv[1]
s.bind('\\0' + name[1:] if name[0] == '@' else name)
s.settimeout(30)
print('bound', flush=True)
print(s.recv(100).decode(), flush=True)
`;

const skip = spawnSync('python3', ['-c', '']).status !== 0 && 'this machine lacks python3';

for (const kind of ['a path', 'an abstract name'])
  test(`the service manager is told at ${kind}`, { skip }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gantry-notify-'));
    try {
      const name = kind === 'a path' ? join(folder, 'socket') : `@${folder}`;
      const manager = spawn('python3', ['-c', listener, name], { stdio: ['ignore', 'pipe', 'inherit'] });
      let heard = '';
      for await (const chunk of manager.stdout) {
        heard += chunk;
        if (heard === 'bound\n') notifyServiceManager(name, 'READY=1');
      }
      assert.equal(heard, 'bound\nREADY=1\n');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

test('a socket that is not there is an error', () => {
  assert.throws(() => notifyServiceManager('/nosuch/socket', 'READY=1'), { code: 'ENOENT' });
});
