import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseImageChanges } from './image-changes.ts';

test('changes of import read as Dockerfile instructions', () => {
  const changes = [
    'CMD ["sh", "-c", "echo hi"]',
    'entrypoint /bin/init now',
    'ENV A=1 B="2 3"',
    'ENV C 4 5',
    `LABEL tier=front note='a b'`,
    'EXPOSE 80 53/udp',
    'VOLUME ["/data"]',
    'USER 1000:1000',
    'WORKDIR /srv',
    'STOPSIGNAL SIGINT',
  ];
  assert.deepEqual(parseImageChanges(changes), {
    Cmd: ['sh', '-c', 'echo hi'],
    Entrypoint: ['/bin/sh', '-c', '/bin/init now'],
    Env: ['A=1', 'B=2 3', 'C=4 5'],
    Labels: { tier: 'front', note: 'a b' },
    ExposedPorts: { '80/tcp': {}, '53/udp': {} },
    Volumes: { '/data': {} },
    User: '1000:1000',
    WorkingDir: '/srv',
    StopSignal: 'SIGINT',
  });
  assert.throws(() => parseImageChanges(['RUN true']), /RUN is not a valid change command/);
});

test('HEALTHCHECK is one of them, with its flags', () => {
  const health = (change: string): unknown => parseImageChanges([`HEALTHCHECK ${change}`])?.Healthcheck;
  assert.deepEqual(health('--interval=5s --retries=3 CMD ls -l'), {
    Test: ['CMD-SHELL', 'ls -l'],
    Interval: 5e9,
    Retries: 3,
  });
  assert.deepEqual(health('CMD ["a","b"]'), { Test: ['CMD', 'a', 'b'] });
  assert.deepEqual(health('none'), { Test: ['NONE'] });
});

// The texts are those of dockerd 28.5.
for (const [change, text] of [
  ['ENV', 'ENV requires at least one argument'],
  ['VOLUME', 'VOLUME requires at least one argument'],
  ['USER', 'USER requires exactly one argument'],
  ['HEALTHCHECK', 'HEALTHCHECK requires at least one argument'],
  ['HEALTHCHECK --interval=5s', 'HEALTHCHECK requires at least one argument'],
  ['HEALTHCHECK NONE x', 'HEALTHCHECK NONE takes no arguments'],
  ['HEALTHCHECK FOO x', 'Unknown type "FOO" in HEALTHCHECK (try CMD)'],
  ['HEALTHCHECK --bogus=1 CMD x', 'unknown flag: --bogus'],
  ['HEALTHCHECK --interval=x CMD x', 'time: invalid duration "x"'],
  ['HEALTHCHECK --interval=1us CMD x', 'Interval "interval" cannot be less than 1ms'],
  ['HEALTHCHECK --retries=x CMD x', 'strconv.ParseInt: parsing "x": invalid syntax'],
  ['HEALTHCHECK --retries=-1 CMD x', '--retries cannot be negative (-1)'],
  ['HEALTHCHECK CMD', 'Missing command after HEALTHCHECK CMD'],
] as const) {
  test(`the change ${JSON.stringify(change)} is refused`, () => {
    assert.throws(() => parseImageChanges([change]), { kind: 'invalidParameter', message: text });
  });
}
