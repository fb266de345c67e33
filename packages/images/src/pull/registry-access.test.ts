import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseReference } from '@gantry/oci';
import { readChallenges, readCredentials } from './authorization.ts';
import { findEndpoints, isInsecure } from './endpoints.ts';
import { humanSize, progressBar } from './progress-bar.ts';

test('endpoints: mirrors first for Docker Hub, TLS before plain HTTP where that is allowed', async () => {
  const urls = async (name: string, insecure: string[] = [], mirrors: string[] = []): Promise<string[]> => {
    const options = { insecure, mirrors, directories: [] };
    return (await findEndpoints(parseReference(name), options, 'pull')).map(({ url }) => url.href);
  };
  assert.deepEqual(await urls('busybox'), ['https://registry-1.docker.io/v2/']);
  assert.deepEqual(await urls('busybox', [], ['https://mirror.example/sub']), [
    'https://mirror.example/sub/v2/',
    'https://registry-1.docker.io/v2/',
  ]);
  assert.deepEqual(await urls('example.com/a'), ['https://example.com/v2/']);
  assert.deepEqual(await urls('example.com/a', ['example.com']), ['https://example.com/v2/', 'http://example.com/v2/']);
  assert.deepEqual(await urls('localhost:5000/a'), ['https://localhost:5000/v2/', 'http://localhost:5000/v2/']);
});

test('loopback and what is listed by name, port or network is insecure', () => {
  for (const host of [
    'localhost',
    'localhost:1',
    '127.0.0.1:5000',
    '127.9.9.9',
    '[::1]:5000',
    '[fd00::1]:5000',
    '10.1.2.3:80',
    'reg.local:5000',
  ]) {
    assert.ok(isInsecure(host, ['10.0.0.0/8', 'fd00::/8', 'http://reg.local:5000/']), host);
  }
  for (const host of ['example.com', '11.0.0.1', 'reg.local:5001', '127.evil.com', 'localhost.evil.com']) {
    assert.ok(!isInsecure(host, ['10.0.0.0/8', 'reg.local:5000', 'x/y']), host);
  }
});

test('challenges are read with quotes, several schemes and rubbish', () => {
  const [bearer, basic] = readChallenges(
    'Bearer realm="https://a/t?x=1,2",service="s \\"q\\"", error=bad, Basic realm="r"',
  );
  assert.equal(bearer?.scheme, 'bearer');
  assert.equal(bearer?.parameters.get('realm'), 'https://a/t?x=1,2');
  assert.equal(bearer?.parameters.get('service'), 's "q"');
  assert.equal(basic?.parameters.get('realm'), 'r');
  assert.deepEqual(readChallenges(undefined), []);
  readChallenges('=,"=,;;'.repeat(5000));
});

test('credentials come in the forms that clients send', () => {
  const me = { username: 'u', password: 'p:q' };
  assert.deepEqual({ ...readCredentials(me) }, { ...me, identityToken: undefined, registryToken: undefined });
  assert.equal(readCredentials({ auth: Buffer.from('u:p:q').toString('base64') }).password, 'p:q');
  assert.equal(readCredentials({ identitytoken: 't' }).identityToken, 't');
  assert.equal(readCredentials('x').username, undefined);
});

test("sizes and bars look like Docker's", () => {
  assert.equal(humanSize(36_445), '36.45kB');
  assert.equal(humanSize(1_084_031), '1.084MB');
  assert.equal(progressBar(36_445, 1_084_031), `[=>${' '.repeat(49)}]  36.45kB/1.084MB`);
  assert.equal(progressBar(1_084_031, 1_084_031), `[${'='.repeat(50)}>]  1.084MB/1.084MB`);
  assert.equal(progressBar(0, 0), '');
});
