/**
 * The daemon is killed at random moments while containers are created, started and removed. Whatever was answered as done
 * must hold after the next start; what was under way may have happened or not, but not by half.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { cgroupsOf } from '../harness/cgroups.ts';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { execute } from '../harness/execute.ts';
import { open, request, until } from '../harness/raw.ts';
import { rootOnly } from '../harness/skip.ts';

const rounds = process.env.CI ? 200 : 25;
const floodRounds = process.env.CI ? 25 : 8;

type Listed = { readonly Id: string; readonly Names: string[]; readonly State: string };

/** What the client was told of a container: sure of an answer, or unsure since the connection broke. */
type Known = { exists: 'yes' | 'no' | 'unsure'; running: 'yes' | 'no' | 'unsure' };

/** A small generator with a seed, so that a failing run can be repeated. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('kill -9 of the daemon', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
  });
  after(() => daemon?.[Symbol.asyncDispose]());

  test(`nothing that was answered is lost, nothing half-made is left, in ${rounds} rounds`, async context => {
    const seed = Number(process.env.GANTRY_SEED ?? Date.now() % 1_000_000);
    context.diagnostic(`GANTRY_SEED=${seed}`);
    const random = randomOf(seed);
    const known = new Map<string, Known>();
    const witness = await daemon.docker(
      'run',
      '-d',
      '--name',
      'witness',
      'busybox',
      'sh',
      '-c',
      'i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done',
    );
    assert.ok(cgroupsOf(witness.stdout.trim()).some(existsSync), 'cgroups are looked for where they are');

    const created: string[] = [];
    const rules = await firewall();

    for (let round = 0; round < rounds; round++) {
      const lanes = [0, 1, 2, 3].map(lane => churn(`r${round}x${lane}`));
      await delay(random() * 120);
      await daemon.end('SIGKILL');
      await Promise.all(lanes);
      await daemon.start();
      await compare(`round ${round}, seed ${seed}`);
    }

    const lines = (await daemon.docker('logs', 'witness')).stdout.trim().split('\n').map(Number);
    assert.deepEqual(
      lines,
      lines.map((_, index) => index + 1),
      'the log of a container that ran through it all has no gap',
    );

    /** Creates, starts and removes containers until the daemon is gone. */
    async function churn(prefix: string): Promise<void> {
      for (let count = 0; ; count++) {
        const name = `${prefix}n${count}`;
        const state: Known = { exists: 'unsure', running: 'no' };
        known.set(name, state);
        const create = await ask('POST', `/containers/create?name=${name}`, {
          Image: 'busybox',
          Cmd: ['sleep', '100000'],
          HostConfig: count % 3 === 0 ? { PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] } } : {},
        });
        if (create === undefined) return;
        assert.equal(create.status, 201, create.body);
        created.push((JSON.parse(create.body) as { Id: string }).Id);
        state.exists = 'yes';
        if (random() < 0.8) {
          state.running = 'unsure';
          const start = await ask('POST', `/containers/${name}/start`);
          if (start === undefined) return;
          assert.equal(start.status, 204, start.body);
          state.running = 'yes';
        }
        if (random() < 0.8) {
          state.exists = 'unsure';
          const remove = await ask('DELETE', `/containers/${name}?force=1`);
          if (remove === undefined) return;
          assert.equal(remove.status, 204, remove.body);
          state.exists = 'no';
        }
      }
    }

    async function compare(when: string): Promise<void> {
      const listed = JSON.parse((await daemon.api('GET', '/containers/json?all=1')).body) as Listed[];
      const byName = new Map(listed.map(container => [container.Names[0]?.slice(1) ?? '', container]));
      for (const [name, state] of known) {
        const container = byName.get(name);
        if (state.exists === 'yes') assert.ok(container, `${when}: ${name} was created and is lost`);
        if (state.exists === 'no') assert.ok(!container, `${when}: ${name} was removed and is back`);
        if (!container) {
          known.delete(name);
          continue;
        }
        // A removal that was cut may have killed the container already.
        if (state.exists === 'yes' && state.running === 'yes')
          assert.equal(container.State, 'running', `${when}: ${name}`);
        if (state.running === 'no') assert.equal(container.State, 'created', `${when}: ${name}`);
        assert.ok(['created', 'running', 'exited'].includes(container.State), `${when}: ${name} is ${container.State}`);
        if (container.State === 'running') {
          const exec = await daemon.api('GET', `/containers/${name}/top`);
          assert.equal(exec.status, 200, `${when}: top of ${name}: ${exec.body}`);
        }
        const removed = await daemon.api('DELETE', `/containers/${name}?force=1`);
        assert.equal(removed.status, 204, `${when}: removal of ${name}: ${removed.body}`);
        known.delete(name);
      }
      assert.deepEqual(
        listed.map(container => container.Names[0]).filter(name => name !== '/witness' && !/^\/r\d+x/.test(name ?? '')),
        [],
        `${when}: containers that nobody made`,
      );
      await settled(when);
    }

    /** What a removal leaves to be destroyed afterwards is gone soon: run directories, mounts, links, cgroups, rules. */
    async function settled(when: string): Promise<void> {
      await until(async () => {
        const directories = readdirSync(join(daemon.root, 'run/containers'));
        const mounts = readFileSync('/proc/self/mounts', 'utf8')
          .split('\n')
          .filter(line => line.includes(daemon.root));
        const links = readdirSync(`/sys/class/net/${daemon.bridge}/brif`);
        const cgroups = created.filter(id => cgroupsOf(id).some(existsSync));
        const now = directories.length > 1 || links.length > 1 ? '' : await firewall();
        if (
          directories.length === 1 &&
          mounts.length <= 2 &&
          links.length === 1 &&
          cgroups.length === 0 &&
          now === rules
        ) {
          created.length = 0;
          return undefined;
        }
        return `${when}: left behind: ${[...directories, ...mounts, ...links, ...cgroups, now === rules ? '' : now].join('\n')}`;
      });
    }

    /** The rules with their elements, without what they counted. */
    async function firewall(): Promise<string> {
      const { stdout } = await execute('nft', ['list', 'table', 'inet', `gantry-${daemon.bridge}`]);
      return stdout.replace(/packets \d+ bytes \d+/g, '');
    }

    /** A request; undefined when the connection broke. */
    async function ask(
      method: string,
      path: string,
      body?: unknown,
    ): Promise<{ status: number; body: string } | undefined> {
      try {
        return await daemon.api(method, path, body);
      } catch {
        return undefined;
      }
    }
  });

  test(`containers that are attached and write at full speed, or are being removed, do not notice in ${floodRounds} rounds`, async context => {
    const seed = Number(process.env.GANTRY_SEED ?? Date.now() % 1_000_000);
    context.diagnostic(`GANTRY_SEED=${seed}`);
    const random = randomOf(seed);
    const count = 'i=0; while :; do echo $i; i=$((i+1)); done';
    const limits = ['--log-opt', 'max-size=2m', '--log-opt', 'max-file=3'];
    await daemon.docker('create', '--name', 'flood', ...limits, 'busybox', 'sh', '-c', count);
    const socket = await open(
      daemon.socket,
      request('POST', '/containers/flood/attach?stream=1&stdout=1', undefined, ['Upgrade: tcp', 'Connection: Upgrade']),
    );
    const counter = new FrameCounter();
    let closed = false;
    socket.on('data', chunk => counter.take(chunk));
    socket.on('close', () => {
      closed = true;
    });
    assert.equal((await daemon.api('POST', '/containers/flood/start')).status, 204);

    for (let round = 0; round < floodRounds; round++) {
      const name = `gone${round}`;
      await daemon.docker('run', '-d', '--name', name, 'busybox', 'sh', '-c', count);
      const removed = daemon.api('DELETE', `/containers/${name}?force=1`).catch(() => undefined);
      const followed = open(daemon.socket, request('GET', '/containers/flood/logs?stdout=1&follow=1'), false);
      await delay(random() * 40);
      await daemon.end('SIGKILL');
      const answer = await removed;
      (await followed.catch(() => undefined))?.destroy();
      const before = counter.next;
      await daemon.start();
      const when = `round ${round}, seed ${seed}`;
      await until(() => (counter.next > before ? undefined : `${when}: the attached client hears no more`));
      assert.equal(counter.gap, undefined, when);
      assert.equal(closed, false, `${when}: the attachment ended`);
      const left = await daemon.api('GET', `/containers/${name}/json`);
      if (answer?.status === 204) assert.equal(left.status, 404, `${when}: ${name} was removed and is back`);
      if (left.status === 200) assert.equal((await daemon.api('DELETE', `/containers/${name}?force=1`)).status, 204);
    }

    await daemon.docker('pause', 'flood');
    const lines = (await daemon.docker('logs', 'flood')).stdout.trim().split('\n').map(Number);
    const [first = 0] = lines;
    assert.ok(lines.length > 1000);
    assert.deepEqual(
      lines.findIndex((line, index) => line !== first + index),
      -1,
      'what the log keeps has no gap',
    );
    await daemon.docker('unpause', 'flood');
    socket.destroy();
    assert.equal((await daemon.api('DELETE', '/containers/flood?force=1')).status, 204);
  });
});

/** Reads Docker's stream frames whose lines are 0, 1, 2 and so on, in whatever pieces they come. */
class FrameCounter {
  /** The number that comes next. */
  next = 0;
  /** The first line that was not the one expected. */
  gap: string | undefined;
  #rest = Buffer.alloc(0);
  #line = '';

  take(chunk: Buffer): void {
    const bytes = Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (bytes.length - at >= 8) {
      const size = bytes.readUInt32BE(at + 4);
      if (bytes.length - at < 8 + size) break;
      this.#text(bytes.toString('latin1', at + 8, at + 8 + size));
      at += 8 + size;
    }
    this.#rest = bytes.subarray(at);
  }

  #text(text: string): void {
    const lines = (this.#line + text).split('\n');
    this.#line = lines.pop() ?? '';
    for (const line of lines) {
      if (line !== String(this.next)) this.gap ??= `${line} where ${this.next} was expected`;
      this.next++;
    }
  }
}
