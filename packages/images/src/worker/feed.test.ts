import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Feed } from './feed.ts';
import { INPUT_BYTES, INPUT_WINDOW, type ToWorker } from './tasks.ts';

/** A thread that keeps what it is sent until it is told to use it. */
function slowThread(): {
  readonly feed: Feed;
  readonly sent: Uint8Array<ArrayBuffer>[];
  readonly seen: Buffer[];
  readonly use: () => void;
  readonly ended: () => boolean;
} {
  const sent: Uint8Array<ArrayBuffer>[] = [];
  const seen: Buffer[] = [];
  let ended = false;
  const feed = new Feed((message: ToWorker, transfer) => {
    const copy = structuredClone(message, { transfer });
    if (copy.type === 'chunk') sent.push(copy.bytes);
    if (copy.type === 'end') ended = true;
  });
  const use = (): void => {
    const chunk = sent.shift();
    if (!chunk) return;
    seen.push(Buffer.from(chunk));
    const { length, buffer } = chunk;
    feed.used(length, buffer.transfer());
  };
  return { feed, sent, seen, use, ended: () => ended };
}

test('what comes while the thread is busy is gathered into few chunks, in order', async () => {
  const { feed, sent, seen, use, ended } = slowThread();
  const pieces = Array.from({ length: 1000 }, (_, index) => Buffer.alloc(1000, index));
  const feeding = feed.from(Readable.from(pieces));
  while (!ended() || sent.length > 0) {
    await setImmediate();
    use();
  }
  await feeding;
  assert.ok(Buffer.concat(seen).equals(Buffer.concat(pieces)));
  assert.ok(seen.length < 20, `${seen.length} chunks`);
});

test('a first small piece is sent at once, the next when the thread has nothing to do', async () => {
  const { feed, sent, use } = slowThread();
  let more: (value: undefined) => void = () => {};
  async function* source(): AsyncGenerator<Buffer> {
    yield Buffer.from('one');
    yield Buffer.from('two');
    await new Promise(resolve => {
      more = resolve;
    });
  }
  const feeding = feed.from(source());
  await setImmediate();
  assert.deepEqual(
    sent.map(chunk => Buffer.from(chunk).toString()),
    ['one'],
  );
  use();
  assert.deepEqual(
    sent.map(chunk => Buffer.from(chunk).toString()),
    ['two'],
  );
  more(undefined);
  await feeding;
});

test('a thread that does not go on stops the source at the window', async () => {
  const { feed, sent, use, ended } = slowThread();
  let read = 0;
  async function* source(): AsyncGenerator<Buffer> {
    for (; read < 40; read++) yield Buffer.alloc(INPUT_BYTES / 2, read);
  }
  const feeding = feed.from(source());
  for (let turn = 0; turn < 200; turn++) await setImmediate();
  assert.equal(sent.length, INPUT_WINDOW);
  assert.ok(read <= 2 * INPUT_WINDOW + 1, `${read} pieces were read`);
  while (!ended()) {
    use();
    await setImmediate();
  }
  await feeding;
  assert.equal(read, 40);
});

test('after a stop nothing more is sent, and the source is not read to its end', async () => {
  const { feed, sent, use } = slowThread();
  let read = 0;
  async function* source(): AsyncGenerator<Buffer> {
    for (; read < 1000; read++) yield Buffer.alloc(INPUT_BYTES);
  }
  const feeding = feed.from(source());
  for (let turn = 0; turn < 100; turn++) await setImmediate();
  feed.stop();
  await feeding;
  const sentBefore = sent.length;
  use();
  assert.equal(sent.length, sentBefore - 1);
  assert.ok(read < 100);
});

test('an error of the source is thrown', async () => {
  const { feed } = slowThread();
  const broken = new Readable({
    read() {
      this.destroy(new Error('gone'));
    },
  });
  await assert.rejects(feed.from(broken), /gone/);
});
