import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { after, before, test } from 'node:test';
import { netlink } from '@gantry/linux';
import { inOwnNetwork } from '@gantry/linux/testing';
import { routeStep } from '../step.ts';
import { runSteps } from '../testing/executor.ts';
import {
  HOST_ADDRESS,
  indexOf,
  NEIGHBOR_ADDRESS,
  openTestStack,
  publish,
  startContainer,
  startNeighbor,
  type TestContainer,
  type TestStack,
} from '../testing/host.ts';
import { Sandbox } from '../testing/sandbox.ts';

const nft = (...args: string[]): string => execFileSync('nft', args, { encoding: 'utf8' });
/** What nft says a map has, on one line. */
const mapElements = (map: string): string =>
  (/elements = \{([^}]*)\}/.exec(nft('list', 'map', 'inet', 'gantry', map)) ?? ['', ''])[1]
    ?.replace(/\s+/g, ' ')
    .trim() ?? '';

inOwnNetwork(import.meta.filename, () => {
  const runDir = mkdtempSync(`${tmpdir()}/gantry-firewall-`);
  let neighbor: Sandbox;
  let far: Sandbox;
  let opened: TestStack;
  let web: TestContainer;

  before(async () => {
    writeFileSync('/proc/sys/net/ipv4/ip_forward', '0');
    neighbor = await startNeighbor();
    far = await Sandbox.start();
    opened = await openTestStack({ runDir });
    web = await startContainer(opened.stack, [
      ...Array.from({ length: 100 }, (_, at) => publish(8000 + at, 8000 + at)),
      publish(7000, 7100, { hostIp: HOST_ADDRESS }),
    ]);
    await web.sandbox.serve('tcp', 8042);
    await web.sandbox.serve('tcp', 7000);
  });
  after(() => {
    for (const sandbox of [neighbor, far, web.sandbox]) sandbox[Symbol.dispose]();
    rmSync(runDir, { recursive: true });
  });

  test('a range is one element, and each of its ports is reached', async () => {
    assert.equal(mapElements('ranges'), `0.0.0.0/0 . tcp . 8000-8099 : ${web.address}`);
    assert.equal(mapElements('wildcard-ports'), '');
    assert.equal(await neighbor.call('tcp', HOST_ADDRESS, 8042), NEIGHBOR_ADDRESS);
    assert.equal(await neighbor.call('tcp', HOST_ADDRESS, 7100), NEIGHBOR_ADDRESS);
  });

  test('a chain of the user is asked first, and stays when the rules are written again', async () => {
    nft(...'add rule inet gantry user tcp dport 8042 iifname != @bridges drop'.split(' '));
    await assert.rejects(neighbor.call('tcp', HOST_ADDRESS, 8042), /timeout/);
    nft('flush', 'chain', 'inet', 'gantry', 'forward');
    await opened.stack.repair();
    assert.match(nft('list', 'chain', 'inet', 'gantry', 'forward'), /nothing else reaches containers/);
    await assert.rejects(neighbor.call('tcp', HOST_ADDRESS, 8042), /timeout/);
    assert.equal(await neighbor.call('tcp', HOST_ADDRESS, 7100), NEIGHBOR_ADDRESS);
    const again = await openTestStack({ store: opened.store });
    assert.match(nft('list', 'chain', 'inet', 'gantry', 'user'), /drop/);
    await again.stack[Symbol.asyncDispose]();
    nft('flush', 'chain', 'inet', 'gantry', 'user');
    assert.equal(await neighbor.call('tcp', HOST_ADDRESS, 8042), NEIGHBOR_ADDRESS);
  });

  test('a table that another program broke beyond repair is written anew', async () => {
    nft('delete', 'table', 'inet', 'gantry');
    nft('add', 'table', 'inet', 'gantry');
    nft('add', 'set', 'inet', 'gantry', 'bridges', '{ type ipv4_addr; }');
    nft('add', 'chain', 'inet', 'gantry', 'forward', '{ type filter hook forward priority 5; }');
    await opened.stack.repair();
    assert.equal(await neighbor.call('tcp', HOST_ADDRESS, 8042), NEIGHBOR_ADDRESS);
    assert.match(opened.warnings.splice(0).join(), /written anew/);
  });

  test('ports of a container that runs change: a range is cut, others come and go, the free choice stays', async () => {
    const held: string[] = [];
    const shim = {
      hold: async (steps: readonly { readonly op: string }[]) => {
        for (const step of steps) {
          if (step.op === 'hostSocket' && 'port' in step)
            held.push(`+${step.port}/${'count' in step ? step.count : 1}`);
        }
      },
      release: async (_: string, port: number, count: number) => {
        held.push(`-${port}/${count}`);
      },
    };
    const requests = Array.from({ length: 100 }, (_, at) => publish(8000 + at, 8000 + at));
    const intended: number[] = [];
    const next = await opened.stack.republish(web.endpoint, {
      containerName: 'web',
      before: [],
      ports: [...requests.filter(({ hostPort }) => hostPort !== 8042), publish(8042, 9042)],
      shim,
      intend: async endpoint => {
        intended.push(endpoint.ports.length);
      },
    });
    assert.equal(
      mapElements('ranges'),
      `0.0.0.0/0 . tcp . 8000-8041 : ${web.address}, 0.0.0.0/0 . tcp . 8043-8099 : ${web.address}`,
    );
    assert.deepEqual(held.toSorted(), ['+9042/1', '-7100/1', '-8042/1', '-8042/1'].toSorted());
    assert.equal(intended.length, 1);
    await assert.rejects(neighbor.call('tcp', HOST_ADDRESS, 8042), /ECONNREFUSED/);
    await assert.rejects(neighbor.call('tcp', HOST_ADDRESS, 7100), /ECONNREFUSED/);
    assert.equal(await neighbor.call('tcp', HOST_ADDRESS, 9042), NEIGHBOR_ADDRESS);

    const refusing = {
      ...shim,
      hold: async (steps: readonly { readonly op: string }[]) => {
        if (steps.some(step => 'port' in step && step.port === 9043)) {
          throw Object.assign(new Error('shim'), { cause: { errno: 98 } });
        }
      },
    };
    await assert.rejects(
      opened.stack.republish(next, {
        containerName: 'web',
        before: [],
        ports: [publish(8042, 9043)],
        shim: refusing,
        intend: async () => {},
      }),
      /endpoint web .*failed to bind host port for 0\.0\.0\.0:9043:.*:8042\/tcp: address already in use/,
    );
    assert.equal(await neighbor.call('tcp', HOST_ADDRESS, 9042), NEIGHBOR_ADDRESS, 'all is as it was');
    await opened.stack.republish(next, {
      containerName: 'web',
      before: [],
      ports: requests,
      shim,
      intend: async () => {},
    });
    assert.equal(await neighbor.call('tcp', HOST_ADDRESS, 8042), NEIGHBOR_ADDRESS);
  });

  test('a host that was no router becomes none for its neighbours, but for bridges of anybody', async () => {
    // A second neighbour behind the host, with routes both ways.
    runSteps([routeStep([netlink.createVeth('wan2', { up: true }, { name: 'lan', namespace: { pid: far.pid } })])]);
    runSteps([
      routeStep([netlink.addAddress({ linkIndex: indexOf('wan2'), address: '198.51.100.1', prefixLength: 24 })]),
    ]);
    await far.run([
      routeStep([
        netlink.setLink({ index: 1 }, { up: true }),
        netlink.addAddress({ linkIndex: 2, address: '198.51.100.2', prefixLength: 24 }),
        netlink.setLink({ index: 2 }, { up: true }),
        netlink.addRoute({ family: 4, gateway: '198.51.100.1' }),
      ]),
    ]);
    await neighbor.run([
      routeStep([
        netlink.addRoute({
          family: 4,
          destination: { address: '198.51.100.0', prefixLength: 24 },
          gateway: HOST_ADDRESS,
        }),
      ]),
    ]);
    await far.serve('tcp', 5000);
    assert.equal(readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim(), '1');
    await assert.rejects(neighbor.call('tcp', '198.51.100.2', 5000), /timeout/);
    assert.equal(await neighbor.call('tcp', HOST_ADDRESS, 8042), NEIGHBOR_ADDRESS);
    // Where somebody else turned it on, it is not our business.
    await opened.stack[Symbol.asyncDispose]();
    nft('flush', 'ruleset');
    const other = await openTestStack({ bridge: 'gantry9' });
    assert.equal(await neighbor.call('tcp', '198.51.100.2', 5000), NEIGHBOR_ADDRESS);
    await other.stack[Symbol.asyncDispose]();
  });
});
