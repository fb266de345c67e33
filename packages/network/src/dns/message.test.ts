import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildReply, Code, parseQuery, reverseAddress, Type, truncated } from './message.ts';

function queryFor(name: string, type: number): Buffer {
  const head = Buffer.from([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  const labels = name.split('.').flatMap(label => [Buffer.of(label.length), Buffer.from(label)]);
  return Buffer.concat([head, ...labels, Buffer.of(0, type >>> 8, type & 255, 0, 1)]);
}

test('a question is read, and answered with its addresses', () => {
  const message = queryFor('Web.Example', Type.a);
  const query = parseQuery(message);
  assert.ok(query);
  assert.deepEqual([query.id, query.name, query.type, query.recursionDesired], [0x1234, 'web.example', 1, true]);
  const reply = buildReply(query, message, Code.ok, [{ type: Type.a, address: '10.0.0.7', ttl: 600 }]);
  assert.equal(reply.readUInt16BE(0), 0x1234);
  assert.equal(reply.readUInt16BE(2), 0x8180);
  assert.deepEqual([...reply.subarray(-4)], [10, 0, 0, 7]);
  assert.equal(truncated(query, message).readUInt16BE(2), 0x8380);
});

test('the name of an address is asked backwards', () => {
  assert.equal(reverseAddress('4.3.2.1.in-addr.arpa'), '1.2.3.4');
  assert.equal(reverseAddress('web'), undefined);
});

test('bytes that are no query are not read as one, whatever they are', () => {
  const whole = queryFor('a.bc.def', Type.a);
  for (let size = 0; size < whole.length; size++) assert.equal(parseQuery(whole.subarray(0, size)), undefined);
  let seed = 7;
  const random = (bound: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % bound;
  };
  for (let round = 0; round < 50_000; round++) {
    const bytes = Buffer.from(whole);
    for (let changes = random(6); changes >= 0; changes--) bytes[random(bytes.length)] = random(256);
    const query = parseQuery(bytes.subarray(0, random(bytes.length + 1)));
    if (query) assert.ok(query.questionEnd <= bytes.length && query.name.length < 256);
  }
});
