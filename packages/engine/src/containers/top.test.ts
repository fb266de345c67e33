import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePs } from './top.ts';

test('only the lines of the container remain, the command in one column', () => {
  const output =
    'UID  PID PPID CMD\nroot  10   1 sh -c sleep 1\nroot  11  10 other\nroot   -   - thread\nroot  12  10 sleep 1\n';
  assert.deepEqual(parsePs(output, new Set([10, 12])), {
    Titles: ['UID', 'PID', 'PPID', 'CMD'],
    Processes: [
      ['root', '10', '1', 'sh -c sleep 1'],
      ['root', '12', '10', 'sleep 1'],
    ],
  });
  assert.throws(() => parsePs('UID CMD\n', new Set()), /Couldn't find PID field in ps output/);
});
