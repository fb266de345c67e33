import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changeBindings } from './republish.ts';

const before = {
  '80/tcp': [
    { HostIp: '', HostPort: '8080' },
    { HostIp: '127.0.0.1', HostPort: '81' },
  ],
};

for (const [what, add, remove, after] of [
  ['a port is added', ['53:53/udp'], [], { ...before, '53/udp': [{ HostIp: '', HostPort: '53' }] }],
  ['a port that is there stays once', ['8080:80'], [], before],
  ['a binding is removed', [], ['8080:80'], { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '81' }] }],
  ["all of a container's port are removed", [], ['80'], {}],
  ['a port is moved', ['9090:80'], ['80'], { '80/tcp': [{ HostIp: '', HostPort: '9090' }] }],
] as const) {
  test(`published ports: ${what}`, () => assert.deepEqual(changeBindings(before, add, remove), after));
}

test('published ports: what is not there is not removed, and nothing of before is changed', () => {
  const kept = structuredClone(before);
  assert.throws(() => changeBindings(before, ['1:1'], ['8081:80']), /port 8081:80 is not published/);
  assert.throws(() => changeBindings(before, ['99999:80'], []), /invalid hostPort: 99999/);
  changeBindings(before, ['1:80'], ['8080:80']);
  assert.deepEqual(before, kept);
});
