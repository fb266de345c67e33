import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeContainer, fakeContext, fakeImage } from '../testing/fake-context.ts';
import { fillConfig } from '../validate/fill.ts';
import { listContainers } from './list.ts';

const base = fakeImage('a', ['base:latest']);
const child = fakeImage('b', ['child:latest'], { parentId: base.id });

function house() {
  const context = fakeContext([base, child]);
  const add = (name: string, order: number, image: typeof base, tag: string, labels: Record<string, string>) => {
    const container = fakeContainer({
      id: name.repeat(64).slice(0, 64),
      name,
      createdNs: String(order * 1e9),
      imageId: image.id,
      config: fillConfig({ Image: tag, Labels: labels }),
      networks: { bridge: {} },
    });
    context.containers.add(container);
    return container;
  };
  add('one', 1, base, 'base:latest', { tier: 'a' });
  const two = add('two', 2, child, 'child:latest', { tier: 'b' });
  const three = add('three', 3, base, 'gone:latest', {});
  Object.assign(two.facts, { startedNs: '1', finishedNs: '2', exitCode: 3 });
  two.rest();
  Object.assign(three.facts, { startedNs: '1', finishedNs: '2', exitCode: 1 });
  three.become({ status: 'restarting', cancel: () => {} });
  return context;
}

async function names(filters: Record<string, string[]>, all = true, limit = 0): Promise<string[]> {
  const map = new Map(Object.entries(filters).map(([key, values]) => [key, new Set(values)]));
  const list = await listContainers(house(), { all, limit, size: false, filters: map });
  return list.map(({ Names }) => Names.join());
}

test('filters of ps', async t => {
  const rows: [filters: Record<string, string[]>, found: string[]][] = [
    [{}, ['/three', '/two', '/one']],
    [{ name: ['t'] }, ['/three', '/two']],
    [{ name: ['^/two$'] }, ['/two']],
    [{ id: ['two'] }, ['/two']],
    [{ id: ['t'] }, []],
    [{ label: ['tier'] }, ['/two', '/one']],
    [{ label: ['tier=b'] }, ['/two']],
    [{ status: ['created', 'exited'] }, ['/two', '/one']],
    [{ exited: ['3'] }, ['/two']],
    [{ before: ['two'] }, ['/one']],
    [{ since: ['two'] }, ['/three']],
    [{ ancestor: ['base:latest'] }, ['/three', '/two', '/one']],
    [{ ancestor: ['child:latest'] }, ['/two']],
    [{ ancestor: ['nosuch'] }, []],
    [{ network: ['bridge'] }, ['/three', '/two', '/one']],
    [{ network: ['host'] }, []],
    [{ health: ['none'] }, ['/three', '/two', '/one']],
    [{ 'is-task': ['true'] }, []],
    [{ publish: ['80'] }, []],
  ];
  for (const [filters, found] of rows) {
    await t.test(JSON.stringify(filters), async () => assert.deepEqual(await names(filters), found));
  }
});

test('without all only those that are up are listed; a limit takes the newest', async () => {
  assert.deepEqual(await names({}, false), ['/three']);
  assert.deepEqual(await names({ status: ['created'] }, false), ['/one']);
  assert.deepEqual(await names({}, false, 2), ['/three', '/two']);
});

test('a container whose image lost its name is shown with the id of the image', async () => {
  const [three, two] = await listContainers(house(), { all: true, limit: 0, size: false, filters: new Map() });
  assert.equal(three?.Image, base.id);
  assert.match(three?.Status ?? '', /^Restarting \(1\) .* ago$/);
  assert.equal(two?.Image, 'child:latest');
  assert.match(two?.Status ?? '', /^Exited \(3\) .* ago$/);
});

test('malformed filters are refused in the words of dockerd', async () => {
  const rows: [Record<string, string[]>, string][] = [
    [{ foo: ['x'] }, "invalid filter 'foo'"],
    [{ exited: ['x'] }, `invalid filter 'exited=x': strconv.Atoi: parsing "x": invalid syntax`],
    [
      { status: ['up'] },
      "invalid filter 'status=up': invalid value for state (up): must be one of created, running, paused, restarting, removing, exited, dead",
    ],
    [{ before: ['nosuch'] }, 'No such container: nosuch'],
    [{ publish: ['1:2'] }, "filter for 'publish' should not contain ':': 1:2"],
  ];
  for (const [filters, message] of rows) await assert.rejects(names(filters), { message });
});
