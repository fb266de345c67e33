/** What others do to our links, what breaks off half-way, and what many do at once. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { execute } from '../harness/execute.ts';
import { rootOnly } from '../harness/skip.ts';

const rounds = process.env.CI ? 15 : 6;

describe('networks under hostile hands', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
  });
  after(() => daemon?.[Symbol.asyncDispose]());
  afterEach(async () => {
    const names = (await daemon.docker('ps', '-aq')).stdout.split('\n').filter(Boolean);
    if (names.length > 0) await daemon.docker('rm', '-f', ...names);
    await daemon.docker('network', 'prune', '-f');
  });

  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await daemon.docker(...args);
    assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const ip = async (...args: string[]): Promise<void> => {
    const { code, stderr } = await execute('ip', args);
    assert.equal(code, 0, `ip ${args.join(' ')}: ${stderr}`);
  };
  const start = (name: string, ...args: string[]): Promise<string> =>
    ok('run', '-d', '--name', name, ...args, 'busybox', 'sleep', '1000');
  const reaches = async (from: string, address: string): Promise<boolean> =>
    (await daemon.docker('exec', from, 'ping', '-c', '1', '-W', '1', address)).code === 0;
  const addressOf = (name: string, network: string): Promise<string> =>
    ok('inspect', '-f', `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`, name);
  const post = (path: string, body: object): Promise<{ status: number; body: string }> =>
    daemon.api('POST', path, body).catch(() => ({ status: 0, body: '' }));

  for (const [deed, act] of [
    ['removed', (bridge: string) => ip('link', 'delete', bridge)],
    [
      'renamed',
      async (bridge: string) => {
        await ip('link', 'set', bridge, 'down');
        await ip('link', 'set', bridge, 'name', `x${bridge.slice(-12)}`);
      },
    ],
  ] as const) {
    test(`a bridge that was ${deed} by hand is restored, with the containers that were on it`, async () => {
      const id = await ok('network', 'create', '--ipv6', 'one');
      const bridge = `br-${id.slice(0, 12)}`;
      await start('ca', '--network', 'one');
      await start('cb', '--network', 'one', '-p', '127.0.0.1::80');
      // The daemon may notice by itself, before the next container asks for the bridge.
      await act(bridge);
      await start('cc', '--network', 'one');
      assert.equal(existsSync(`/sys/class/net/${bridge}`), true);
      assert.equal(await reaches('cc', await addressOf('ca', 'one')), true);
      assert.equal(await reaches('ca', await addressOf('cb', 'one')), true);
      assert.equal(
        await reaches('ca', await ok('network', 'inspect', '-f', '{{(index .IPAM.Config 0).Gateway}}', 'one')),
        true,
      );
      assert.match(daemon.log(), new RegExp(`the bridge ${bridge} of network one was removed or renamed`));
      await ok('rm', '-f', 'ca', 'cb', 'cc');
      await ok('network', 'rm', 'one');
      assert.equal(existsSync(`/sys/class/net/${bridge}`), false);
    });
  }

  test('a link that was renamed by hand goes with its endpoint all the same', async () => {
    await ok('network', 'create', 'one');
    await start('ca');
    await ok('network', 'connect', 'one', 'ca');
    const id = JSON.parse(await ok('inspect', 'ca'))[0].NetworkSettings.Networks.one.EndpointID;
    const link = `gntry${id.slice(0, 7)}`;
    await ip('link', 'set', link, 'down');
    await ip('link', 'set', link, 'name', `${daemon.bridge}r`);
    await ok('network', 'disconnect', 'one', 'ca');
    assert.equal(existsSync(`/sys/class/net/${daemon.bridge}r`), false);
    assert.equal((await ok('exec', 'ca', 'ip', '-o', 'link')).split('\n').length, 2);
  });

  test('a hundred connects and disconnects at once leave what the documents say', async () => {
    const networks = Array.from({ length: 5 }, (_, index) => `n${index}`);
    const containers = Array.from({ length: 4 }, (_, index) => `c${index}x`);
    await Promise.all(networks.map(name => ok('network', 'create', name)));
    await Promise.all(containers.map(name => start(name)));
    const connect = (network: string, Container: string) => post(`/networks/${network}/connect`, { Container });
    const disconnect = (network: string, Container: string) => post(`/networks/${network}/disconnect`, { Container });
    const all = networks.flatMap(network => containers.map(container => [network, container] as const));
    const answers = await Promise.all(
      all.flatMap(([network, container]) => [
        connect(network, container),
        disconnect(network, container),
        connect(network, container),
        connect(network, container),
        disconnect(network, container),
      ]),
    );
    assert.equal(answers.length, 100);
    for (const { status, body } of answers) assert.ok(status === 200 || status === 403, `${status} ${body}`);
    for (const container of containers) {
      const [{ NetworkSettings }] = JSON.parse(await ok('inspect', container));
      const links = (await ok('exec', container, 'ip', '-o', 'link')).split('\n').length - 1;
      assert.equal(links, Object.keys(NetworkSettings.Networks).length, container);
    }
    for (const network of networks) {
      const [{ Containers, Id }] = JSON.parse(await ok('network', 'inspect', network));
      const ports = readdirSync(`/sys/class/net/br-${Id.slice(0, 12)}/brif`);
      assert.equal(ports.length, Object.keys(Containers).length, network);
      const addresses = Object.values(Containers as Record<string, { IPv4Address: string }>).map(
        one => one.IPv4Address,
      );
      assert.equal(new Set(addresses).size, addresses.length);
    }
  });

  /** The networks of a container by its document, each of them with an endpoint, and its links: as many. */
  const consistent = async (container: string): Promise<string[]> => {
    const [{ NetworkSettings }] = JSON.parse(await ok('inspect', container));
    const networks = Object.entries(NetworkSettings.Networks as Record<string, { EndpointID: string }>);
    for (const [name, { EndpointID }] of networks) assert.match(EndpointID, /^[0-9a-f]{64}$/, name);
    const links = (await ok('exec', container, 'ip', '-o', 'link')).split('\n').length - 1;
    assert.equal(links, networks.length, container);
    return networks.map(([name]) => name);
  };

  test('a connection that was written down and not made when the daemon was killed is taken back', async () => {
    await ok('network', 'create', 'one');
    const id = await start('ca');
    await daemon.end('SIGKILL');
    {
      using database = new DatabaseSync(join(daemon.dataRoot, 'state.db'));
      const row = database.prepare('SELECT document FROM containers WHERE id = ?').get(id);
      const document = JSON.parse(String(row?.document));
      document.networks.one = {};
      database.prepare('UPDATE containers SET document = ? WHERE id = ?').run(JSON.stringify(document), id);
    }
    await daemon.start();
    assert.deepEqual(await consistent('ca'), ['bridge']);
    await ok('network', 'connect', 'one', 'ca');
    assert.deepEqual(await consistent('ca'), ['bridge', 'one']);
  });

  test('a daemon that is killed while containers are connected and disconnected leaves them on what they say', async () => {
    const networks = ['n0', 'n1', 'n2'];
    await Promise.all(networks.map(name => ok('network', 'create', name)));
    await start('ca');
    for (let round = 0; round < rounds; round++) {
      const on = await consistent('ca');
      const asked = networks.map(name =>
        post(`/networks/${name}/${on.includes(name) ? 'disconnect' : 'connect'}`, { Container: 'ca' }),
      );
      await delay(round);
      await daemon.end('SIGKILL');
      const answers = await Promise.all(asked);
      await daemon.start();
      const now = await consistent('ca');
      for (const [index, { status }] of answers.entries()) {
        const name = networks[index] ?? '';
        if (status === 200) assert.notEqual(now.includes(name), on.includes(name), `${name} in round ${round}`);
      }
    }
  });

  test('a network is removed, or a container starts on it: never both', async () => {
    for (let round = 0; round < rounds; round++) {
      await ok('network', 'create', 'race');
      await ok('create', '--name', 'racer', '--network', 'race', 'busybox', 'sleep', '1000');
      const starting = post('/containers/racer/start', {});
      // Sometimes before, sometimes in the middle of the start.
      if (round % 2 === 1) await delay(round);
      const removing = daemon.api('DELETE', '/networks/race');
      const [started, removed] = await Promise.all([starting, removing]);
      if (started.status === 204) {
        assert.equal(removed.status, 403, removed.body);
        assert.match(removed.body, /network race has active endpoints \(name:\\"racer\\"/);
        assert.match(await ok('exec', 'racer', 'ip', 'route'), /^default/);
      } else {
        assert.equal(removed.status, 204, removed.body);
        assert.match(started.body, /network race not found/);
      }
      await ok('rm', '-f', 'racer');
      await daemon.docker('network', 'rm', '-f', 'race');
    }
  });

  test(`a daemon killed at any moment leaves no bridge that is nobody's, and no network without one`, async () => {
    const known = new Map<string, 'yes' | 'no' | 'unsure'>();
    // Bridges with names of their own, to tell them from those of other daemons.
    const prefix = `k${daemon.bridge.slice(-6)}`;
    const bridges = (): string[] => readdirSync('/sys/class/net').filter(link => link.startsWith(prefix));
    for (let round = 0; round < rounds; round++) {
      const lane = async (start: string): Promise<void> => {
        for (let count = 0; ; count++) {
          const name = `${start}${count}`;
          known.set(name, 'unsure');
          const Options = { 'com.docker.network.bridge.name': `${prefix}${name}` };
          const made = await post('/networks/create', { Name: name, Options });
          if (made.status === 0) return;
          assert.equal(made.status, 201, made.body);
          known.set(name, 'yes');
          if (count % 2 === 1) continue;
          known.set(name, 'unsure');
          const gone = await daemon.api('DELETE', `/networks/${name}`).catch(() => undefined);
          if (!gone) return;
          assert.equal(gone.status, 204, gone.body);
          known.set(name, 'no');
        }
      };
      const lanes = [lane(`${round}a`), lane(`${round}b`)];
      await delay(20 + 17 * round);
      await daemon.end('SIGKILL');
      await Promise.all(lanes);
      await daemon.start();
      const networks = JSON.parse((await daemon.api('GET', '/networks')).body) as {
        Name: string;
        Id: string;
        Driver: string;
      }[];
      const names = new Set(networks.map(({ Name }) => Name));
      for (const [name, exists] of known) {
        if (exists === 'yes') assert.ok(names.has(name), `${name} was made and is lost`);
        if (exists === 'no') assert.ok(!names.has(name), `${name} was removed and is back`);
      }
      const custom = networks.filter(({ Driver, Name }) => Driver === 'bridge' && Name !== 'bridge');
      assert.deepEqual(
        bridges().toSorted(),
        custom.map(({ Name }) => `${prefix}${Name}`).toSorted(),
        `round ${round}: each network has its bridge, and each bridge its network`,
      );
    }
    for (const name of (await ok('network', 'ls', '-q', '-f', 'type=custom')).split('\n').filter(Boolean)) {
      await ok('network', 'rm', name);
    }
    assert.deepEqual(bridges(), []);
  });
});
