import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { after, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { execute } from '../harness/execute.ts';
import { rootOnly } from '../harness/skip.ts';

describe('names on a user-defined network', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
    await ok('network', 'create', 'names');
    await ok(
      'run',
      '-d',
      '--name',
      'web',
      '-h',
      'webhost',
      '--network',
      'names',
      '--network-alias',
      'pool',
      'busybox',
      'sleep',
      '1000',
    );
    await ok(
      'run',
      '-d',
      '--name',
      'web2',
      '--network',
      'names',
      '--network-alias',
      'pool',
      'busybox',
      'sleep',
      '1000',
    );
  });
  after(async () => {
    const names = (await daemon.docker('ps', '-aq')).stdout.split('\n').filter(Boolean);
    if (names.length > 0) await daemon.docker('rm', '-f', ...names);
    await daemon.docker('network', 'prune', '-f');
    await daemon[Symbol.asyncDispose]();
  });
  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await daemon.docker(...args);
    assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const addressOf = (name: string): Promise<string> =>
    ok('inspect', name, '-f', '{{.NetworkSettings.Networks.names.IPAddress}}');
  const lookUp = async (name: string): Promise<string> =>
    (await daemon.docker('exec', 'web', 'nslookup', name, '127.0.0.11')).stdout;

  test('resolv.conf leads to the resolver, in the form of dockerd', async () => {
    const text = await ok('exec', 'web', 'cat', '/etc/resolv.conf');
    assert.match(text, /^nameserver 127\.0\.0\.11\noptions ndots:0$/m);
    assert.match(text, /^# ExtServers: \[/m);
  });

  test('a container is found by name, alias, short id and host name, and an address by its name', async () => {
    const id = await ok('inspect', 'web', '-f', '{{.Id}}');
    const address = await addressOf('web');
    for (const name of ['web', 'WEB', id.slice(0, 12), 'webhost', 'web.names']) {
      assert.ok((await lookUp(name)).includes(address), `${name} is not found`);
    }
    const pool = await lookUp('pool');
    for (const name of ['web', 'web2']) assert.ok(pool.includes(await addressOf(name)), pool);
    assert.match(await lookUp(await addressOf('web2')), /web2\.names/);
  });

  test('other names are asked of the upstream', async () => {
    const upstream = createSocket('udp4');
    upstream.on('message', (message, from) => {
      const reply = Buffer.from(message);
      reply.writeUInt16BE(0x8180, 2);
      reply.writeUInt16BE(1, 6);
      reply.writeUInt16BE(0, 10);
      const question = 12 + reply.subarray(12).indexOf(0) + 5;
      const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 77]);
      upstream.send(Buffer.concat([reply.subarray(0, question), answer]), from.port, from.address);
    });
    await new Promise<void>((done, failed) => upstream.once('error', failed).bind(53, '127.0.77.1', done));
    try {
      const { stdout } = await daemon.docker(
        'run',
        '--rm',
        '--network',
        'names',
        '--dns',
        '127.0.77.1',
        'busybox',
        'nslookup',
        'example.org',
        '127.0.0.11',
      );
      assert.match(stdout, /192\.0\.2\.77/);
    } finally {
      upstream.close();
    }
  });

  test('a name server of a container listens on port 53 of all addresses, and asks our resolver all the same', async () => {
    await ok(
      'run',
      '-d',
      '--name',
      'ns',
      '--network',
      'names',
      'busybox',
      'sh',
      '-c',
      'while nc -l -p 53 -e echo served; do :; done',
    );
    await ok('exec', 'ns', 'sh', '-c', 'until netstat -lnt | grep -q ":::53 "; do sleep 0.05; done');
    await datagramPortIsFree(await ok('inspect', 'ns', '-f', '{{.State.Pid}}'));
    assert.equal(await ok('exec', 'web', 'nc', 'ns', '53'), 'served');
    const { stdout } = await daemon.docker('exec', 'ns', 'nslookup', 'web', '127.0.0.11');
    assert.ok(stdout.includes(await addressOf('web')), stdout);
    // Connected on the default bridge first, it gets the same on the way.
    await ok('run', '-d', '--name', 'late', '--network', 'bridge', 'busybox', 'sleep', '1000');
    await ok('network', 'connect', '--link', 'web:site', 'names', 'late');
    const late = (await daemon.docker('exec', 'late', 'nslookup', 'site', '127.0.0.11')).stdout;
    assert.ok(late.includes(await addressOf('web')), late);
  });

  test('a query sent while the daemon restarts is answered', async () => {
    const address = await addressOf('web2');
    await ok(
      'exec',
      '-d',
      'web',
      'sh',
      '-c',
      'until test -e /go; do sleep 0.05; done; ping -c 1 -W 1 web2 > /answer 2>&1; touch /done',
    );
    await daemon.end('SIGKILL');
    const pid = await import('../harness/execute.ts').then(({ execute }) =>
      execute('pgrep', ['-f', 'until test -e /go']),
    );
    const { writeFileSync } = await import('node:fs');
    writeFileSync(`/proc/${pid.stdout.trim().split('\n')[0]}/root/go`, '');
    await daemon.start();
    await ok('exec', 'web', 'sh', '-c', 'until test -e /done; do sleep 0.05; done');
    assert.match(await ok('exec', 'web', 'cat', '/answer'), new RegExp(address.replaceAll('.', '\\.')));
  });
});

/** Binds UDP port 53 of all addresses in a container's network namespace, without SO_REUSEADDR. */
async function datagramPortIsFree(pid: string): Promise<void> {
  const program = `require('node:dgram').createSocket('udp4').bind(53, '0.0.0.0', function () { this.close(); })`;
  const { code, stderr } = await execute('nsenter', ['-t', pid, '-n', process.execPath, '-e', program]);
  assert.equal(code, 0, stderr);
}
