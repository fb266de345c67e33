import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startDaemon } from '../harness/daemon.ts';
import { rootOnly } from '../harness/skip.ts';

const project = `
services:
  web:
    image: busybox
    command: sh -c "echo hello > /tmp/index.html; httpd -f -p 80 -h /tmp"
    networks: [front, back]
  client:
    image: busybox
    depends_on: [web]
    command: sh -c "until printf 'GET / HTTP/1.0\\\\r\\\\n\\\\r\\\\n' | nc web 80; do sleep 0.1; done"
    networks: [back]
networks:
  front: {}
  back: { internal: true }
`;

function lacksCompose(): string | false {
  try {
    execFileSync('docker', ['compose', 'version'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'the machine lacks the compose plugin';
  }
}

test('docker compose brings services up that find each other by name, and takes them down', {
  skip: rootOnly || lacksCompose(),
}, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-compose-'));
  await using daemon = await startDaemon();
  try {
    const file = join(directory, 'compose.yaml');
    writeFileSync(file, project);
    const compose = (...args: string[]) => daemon.docker('compose', '-p', 'gantrytest', '-f', file, ...args);
    const up = await compose('up', '--abort-on-container-exit', '--exit-code-from', 'client');
    assert.equal(up.code, 0, up.stderr);
    assert.match(up.stdout, /hello/);
    const down = await compose('down', '-t', '0');
    assert.equal(down.code, 0, down.stderr);
    const { stdout } = await daemon.docker('network', 'ls', '--format', '{{.Name}}');
    assert.deepEqual(stdout.trim().split('\n').sort(), ['bridge', 'host', 'none']);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
