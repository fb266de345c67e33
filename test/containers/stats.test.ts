import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { raw } from '../harness/raw.ts';
import { rootOnly } from '../harness/skip.ts';

type Stats = {
  name?: string;
  id?: string;
  read: string;
  preread: string;
  pids_stats: { current?: number };
  cpu_stats: { cpu_usage: { total_usage: number }; system_cpu_usage: number; online_cpus: number };
  precpu_stats: { cpu_usage: { total_usage: number }; system_cpu_usage?: number };
  memory_stats: { usage: number; limit: number; stats: Record<string, number> };
  networks?: Record<string, { rx_bytes: number; tx_bytes: number }>;
};

const never = '0001-01-01T00:00:00Z';

describe('stats', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
  });
  after(async () => {
    await daemon[Symbol.asyncDispose]();
  });

  async function run(name: string, ...args: string[]): Promise<void> {
    const { code, stderr } = await daemon.docker('run', '-d', '--name', name, ...args);
    assert.equal(code, 0, stderr);
  }
  const stats = async (name: string, query: string): Promise<Stats> => {
    const { status, body } = await daemon.api('GET', `/v1.51/containers/${name}/stats?${query}`);
    assert.equal(status, 200, body);
    return JSON.parse(body);
  };

  test('one sample is compared with one a second before, a one-shot sample with none', async () => {
    await run('busy', '-m', '64m', 'busybox', 'sh', '-c', 'while :; do :; done');
    const one = await stats('busy', 'stream=0&one-shot=1');
    assert.deepEqual([one.name, one.id, one.preread], [undefined, undefined, never]);
    assert.equal(one.precpu_stats.cpu_usage.total_usage, 0);
    assert.equal(one.pids_stats.current, 1);
    assert.equal(one.memory_stats.limit, 64 << 20);
    assert.ok(one.memory_stats.usage > 0);
    assert.ok(Object.keys(one.memory_stats.stats).length > 25);

    const two = await stats('busy', 'stream=0');
    assert.equal(two.name, '/busy');
    assert.match(two.id ?? '', /^[0-9a-f]{64}$/);
    const seconds = (Date.parse(two.read) - Date.parse(two.preread)) / 1000;
    assert.ok(seconds > 0.5 && seconds < 5, `${seconds} s between the samples`);
    assert.ok(two.cpu_stats.cpu_usage.total_usage > two.precpu_stats.cpu_usage.total_usage);
    assert.ok(two.cpu_stats.system_cpu_usage > (two.precpu_stats.system_cpu_usage ?? 0));
    assert.ok(two.cpu_stats.online_cpus >= 1);
    await daemon.docker('rm', '-f', 'busy');
  });

  test('the counters of its interface are those of the container', async () => {
    await run('net', 'busybox', 'sleep', '600');
    const received = async (): Promise<number> =>
      (await stats('net', 'stream=0&one-shot=1')).networks?.eth0?.rx_bytes ?? -1;
    const before_ = await received();
    assert.ok(before_ >= 0);
    const gateway = await daemon.docker('inspect', '-f', '{{.NetworkSettings.Gateway}}', 'net');
    const pinged = await daemon.docker('exec', 'net', 'ping', '-c', '1', '-s', '1000', gateway.stdout.trim());
    assert.equal(pinged.code, 0, pinged.stderr);
    assert.ok((await received()) >= before_ + 1000);
    await run('joined', '--network', 'container:net', 'busybox', 'sleep', '600');
    assert.ok((await stats('joined', 'stream=0&one-shot=1')).networks?.eth0);
    await run('hosted', '--network', 'host', 'busybox', 'sleep', '600');
    assert.equal((await stats('hosted', 'stream=0&one-shot=1')).networks, undefined);
    await daemon.docker('rm', '-f', 'net', 'joined', 'hosted');
  });

  test('the official client prints a table', async () => {
    await run('table', 'busybox', 'sleep', '600');
    const { code, stdout, stderr } = await daemon.docker(
      ...['stats', '--no-stream', '--format', '{{.Name}} {{.PIDs}} {{.CPUPerc}} {{.MemUsage}}'],
    );
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^table 1 \d+\.\d+% \S+ \/ \S+\n$/);
    await daemon.docker('rm', '-f', 'table');
  });

  test('a stream goes on, empty, when the container has ended', async () => {
    await run('stopping', 'busybox', 'sh', '-c', 'sleep 1.5');
    const answer = await raw(daemon.socket, 'GET /v1.51/containers/stopping/stats HTTP/1.0\r\n\r\n', 4500);
    const samples = answer
      .slice(answer.indexOf('\r\n\r\n') + 4)
      .split('\n')
      .filter(Boolean)
      .map(line => JSON.parse(line) as Stats);
    assert.equal(samples[0]?.preread, never);
    assert.equal(samples[1]?.preread, samples[0]?.read);
    const last = samples.at(-1);
    assert.deepEqual([last?.name, last?.read, last?.memory_stats], ['/stopping', never, {}]);
    const once = await stats('stopping', 'stream=0');
    assert.deepEqual([once.name, once.read], ['/stopping', never]);
    await daemon.docker('rm', '-f', 'stopping');
  });

  test('what cannot be measured says why', async () => {
    const both = await daemon.api('GET', '/v1.51/containers/x/stats?one-shot=1');
    assert.equal(both.status, 400);
    assert.match(both.body, /cannot have stream=true and one-shot=true/);
    const missing = await daemon.api('GET', '/v1.51/containers/nothing/stats');
    assert.equal(missing.status, 404);
    assert.match(missing.body, /No such container: nothing/);
  });
});
