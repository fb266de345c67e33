import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startDaemon } from '../harness/daemon.ts';
import { execute } from '../harness/execute.ts';
import { rootOnly } from '../harness/skip.ts';

const gantry = new URL('../../gantry', import.meta.url).pathname;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address ? address.port : 0;
}

test('the API is served on several hosts at once, and a stream over TCP has its half-close', {
  skip: rootOnly,
}, async () => {
  const port = await freePort();
  await using daemon = await startDaemon({ flags: ['-H', `tcp://127.0.0.1:${port}`] });
  const docker = (input: string, ...args: string[]) =>
    execute('docker', ['-H', `tcp://127.0.0.1:${port}`, ...args], { input });
  assert.equal((await docker('', 'version')).code, 0);
  const ran = await docker('one\ntwo\n', 'run', '--rm', '-i', 'busybox', 'cat');
  assert.deepEqual([ran.code, ran.stdout], [0, 'one\ntwo\n']);
  assert.match(daemon.log(), /without --tlsverify/);
});

test('over TLS a client needs a certificate, and streams are relayed with their half-close', {
  skip: rootOnly,
}, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-tls-'));
  try {
    await certificates(directory);
    const port = await freePort();
    const file = (name: string): string => join(directory, name);
    await using daemon = await startDaemon({
      flags: [
        ...['-H', `tcp://127.0.0.1:${port}`, '--tlsverify', '--tlscacert', file('ca.pem')],
        ...['--tlscert', file('server.pem'), '--tlskey', file('server-key.pem')],
      ],
    });
    const trusted = [
      '--tlsverify',
      '--tlscacert',
      file('ca.pem'),
      '--tlscert',
      file('client.pem'),
      '--tlskey',
      file('client-key.pem'),
    ];
    const docker = (flags: readonly string[], input: string, ...args: string[]) =>
      execute('docker', ['-H', `tcp://127.0.0.1:${port}`, ...flags, ...args], { input });
    const ran = await docker(
      trusted,
      'one\n',
      'run',
      '--rm',
      '-i',
      '--name',
      'tls',
      'busybox',
      'sh',
      '-c',
      'cat; echo end >&2; exit 3',
    );
    assert.deepEqual([ran.code, ran.stdout, ran.stderr], [3, 'one\n', 'end\n']);
    await daemon.docker('run', '-d', '--name', 'cc', 'busybox', 'sleep', '1000');
    const executed = await docker(trusted, 'two\n', 'exec', '-i', 'cc', 'cat');
    assert.deepEqual([executed.code, executed.stdout], [0, 'two\n']);
    const stranger = await docker(['--tls'], '', 'version');
    assert.notEqual(stranger.code, 0);
    assert.equal((await daemon.docker('version')).code, 0);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('sockets that systemd opened are served', { skip: rootOnly }, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-fd-'));
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  // Node gives no public way to the descriptor of a listening socket.
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
  const roots = ['--data-root', join(directory, 'data'), '--exec-root', join(directory, 'run'), '--bridge', 'none'];
  const daemon = spawn(
    'sh',
    ['-c', 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', 'sh', gantry, 'daemon', '-H', 'fd://', ...roots],
    { stdio: ['ignore', 'ignore', 'pipe', fd] },
  );
  // Like systemd, this process accepts nothing itself.
  server.close();
  const ended = once(daemon, 'exit');
  try {
    const { stderr } = daemon;
    assert.ok(stderr);
    await new Promise<void>((ready, failed) => {
      stderr.on('data', line => {
        if (/ is ready after /.test(String(line))) ready();
      });
      daemon.once('exit', code => failed(new Error(`the daemon ended with ${code}`)));
    });
    const port = typeof address === 'object' && address ? address.port : 0;
    const host = `tcp://127.0.0.1:${port}`;
    const answer = await execute('docker', ['-H', host, 'version', '-f', '{{.Server.APIVersion}}'], {
      timeoutMs: 10_000,
    });
    assert.equal(answer.stdout, '1.51\n');
  } finally {
    daemon.kill('SIGTERM');
    await ended;
    rmSync(directory, { recursive: true, force: true });
  }
});

/** A certificate authority, a server on 127.0.0.1 and a client, as `docker` wants them. */
async function certificates(directory: string): Promise<void> {
  const openssl = async (...args: string[]): Promise<void> => {
    const ended = await execute('openssl', args);
    if (ended.code !== 0) throw new Error(`openssl ${args[0]}: ${ended.stderr}`);
  };
  const file = (name: string): string => join(directory, name);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    file('ca-key.pem'),
    '-out',
    file('ca.pem'),
    '-subj',
    '/CN=gantry test',
    '-days',
    '1',
  );
  for (const name of ['server', 'client']) {
    writeFileSync(file(`${name}.ext`), `subjectAltName=IP:127.0.0.1\nextendedKeyUsage=${name}Auth\n`);
    await openssl(
      'req',
      ...key,
      '-keyout',
      file(`${name}-key.pem`),
      '-out',
      file(`${name}.csr`),
      '-subj',
      `/CN=${name}`,
    );
    await openssl(
      ...[
        'x509',
        '-req',
        '-in',
        file(`${name}.csr`),
        '-CA',
        file('ca.pem'),
        '-CAkey',
        file('ca-key.pem'),
        '-days',
        '1',
      ],
      ...['-set_serial', name === 'server' ? '1' : '2', '-extfile', file(`${name}.ext`), '-out', file(`${name}.pem`)],
    );
  }
}
