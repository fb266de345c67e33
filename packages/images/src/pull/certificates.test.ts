import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { readCertificates } from './certificates.ts';

let top: string;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'gantry-certs-'));
});
afterEach(() => rmSync(top, { recursive: true }));

function put(directory: string, host: string, ...names: string[]): void {
  mkdirSync(join(top, directory, host), { recursive: true });
  for (const name of names) writeFileSync(join(top, directory, host, name), `text of ${name}`);
}
const read = (host: string) => readCertificates(host, [join(top, 'gantry'), join(top, 'docker')]);

test('authorities and client certificates are found by host and port, ours before those of Docker', async () => {
  put('docker', 'registry:5000', 'ca.crt', 'client.cert', 'client.key');
  put('docker', 'both', 'theirs.crt');
  put('gantry', 'both', 'ours.crt');
  const found = await read('registry:5000');
  assert.equal(found?.ca?.at(-1), 'text of ca.crt');
  assert.ok((found?.ca?.length ?? 0) > 1, 'the usual authorities are trusted too');
  assert.deepEqual(found?.cert?.map(String), ['text of client.cert']);
  assert.deepEqual(found?.key?.map(String), ['text of client.key']);
  assert.equal((await read('both'))?.ca?.at(-1), 'text of ours.crt');
  assert.equal(await read('registry'), undefined);
});

test('half a pair is refused by name', async () => {
  put('docker', 'a', 'client.cert');
  put('docker', 'b', 'client.key');
  await assert.rejects(read('a'), {
    message: 'missing key client.key for client certificate client.cert. CA certificates must use the extension .crt',
  });
  await assert.rejects(read('b'), { message: 'missing client certificate client.cert for key client.key' });
});
