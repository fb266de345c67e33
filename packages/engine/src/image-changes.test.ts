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
