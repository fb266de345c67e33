import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { DatagramBatch } from './datagram-batch.ts';
import { descriptorOfSocket } from './testing/descriptor-of-socket.ts';

const bound = async (): Promise<Socket> => {
  const socket = createSocket('udp4');
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve));
  return socket;
};

test('what waits in a socket is taken and answered together, each datagram to its sender', async () => {
  const server = await bound();
  const clients = [await bound(), await bound()];
  const fd = descriptorOfSocket(server);
  const batch = new DatagramBatch(4, 100);
  try {
    // Read by nobody but us: the event loop does not turn between here and the answers.
    const { port } = server.address();
    await Promise.all(
      clients.map((client, index) => new Promise(sent => client.send(`question ${index}`, port, '127.0.0.1', sent))),
    );
    const answers = clients.map(client => once(client, 'message'));
    let received = 0;
    while (received < 2) {
      const count = batch.receive(fd);
      for (let index = 0; index < count; index++) {
        const size = batch.room.write(`answer to ${batch.message(index)}`);
        assert.ok(clients.some(client => client.address().port === batch.source(index).port));
        batch.answer(index, size);
      }
      batch.flush(fd);
      received += count;
    }
    assert.deepEqual(
      (await Promise.all(answers)).map(([message]) => String(message)),
      ['answer to question 0', 'answer to question 1'],
    );
    assert.equal(batch.receive(fd), 0);
    await new Promise(sent => clients[0]?.send(Buffer.alloc(101), port, '127.0.0.1', sent));
    assert.equal(batch.receive(fd), 1);
    assert.equal(batch.message(0).length, 0);
  } finally {
    for (const socket of [server, ...clients]) socket.close();
  }
});
