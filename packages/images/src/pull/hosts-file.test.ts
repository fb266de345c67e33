import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { configuredRegistries, type Endpoint, findEndpoints } from './endpoints.ts';

describe('hosts.toml', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gantry-hosts-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function write(host: string, text: string): void {
    mkdirSync(join(folder, host), { recursive: true });
    writeFileSync(join(folder, host, 'hosts.toml'), text);
  }
  const find = (domain: string, wanted: 'pull' | 'push' = 'pull'): Promise<Endpoint[]> =>
    findEndpoints({ domain }, { insecure: [], mirrors: ['https://docker.mirror/'], directories: [folder] }, wanted);
  const urls = async (domain: string, wanted: 'pull' | 'push' = 'pull'): Promise<string[]> =>
    (await find(domain, wanted)).map(({ url }) => url.href);

  test('lists mirrors of any registry in order, then the registry itself', async () => {
    write(
      'example.com:5000',
      `server = "https://real.example.com"
      [host."https://one.mirror"]
        capabilities = ["pull", "resolve"]
      [host."http://two.mirror/v2/sub"]
        capabilities = ["pull"]
        override_path = true
        dial_timeout = "1.5s"
      [host."three.mirror".header]
        x-who = ["me", "you"]`,
    );
    assert.deepEqual(await urls('example.com:5000'), [
      'https://one.mirror/v2/',
      'http://two.mirror/v2/sub/',
      'https://three.mirror/v2/',
      'https://real.example.com/v2/',
    ]);
    const [one, two, three, real] = await find('example.com:5000');
    assert.deepEqual(
      [one, two, three, real].map(endpoint => [endpoint?.isMirror, endpoint?.resolves]),
      [
        [true, true],
        [true, false],
        [true, true],
        [false, true],
      ],
    );
    assert.equal(two?.connectTimeoutMs, 1500);
    assert.deepEqual(three?.headers, { 'x-who': 'me, you' });
    assert.deepEqual(await urls('example.com:5000', 'push'), [
      'https://three.mirror/v2/',
      'https://real.example.com/v2/',
    ]);
    assert.deepEqual(await configuredRegistries({ directories: [folder] }), [
      {
        name: 'example.com:5000',
        mirrors: ['https://one.mirror/', 'http://two.mirror/v2/sub', 'https://three.mirror/'],
      },
    ]);
  });

  test("counts before the daemon's own mirrors, and falls back to the registry where it names no server", async () => {
    assert.deepEqual(await urls('docker.io'), ['https://docker.mirror/v2/', 'https://registry-1.docker.io/v2/']);
    write('docker.io', '[host."https://hub.mirror"]\n');
    assert.deepEqual(await urls('docker.io'), ['https://hub.mirror/v2/', 'https://registry-1.docker.io/v2/']);
    write('_default', '[host."https://all.mirror"]\n');
    assert.deepEqual(await urls('ghcr.example'), ['https://all.mirror/v2/', 'https://ghcr.example/v2/']);
    write('other.example_5000_', 'server = "https://docker.io"\ncapabilities = ["pull", "resolve"]\n');
    assert.deepEqual(await urls('other.example:5000'), ['https://registry-1.docker.io/v2/']);
    assert.deepEqual(await urls('other.example:5000', 'push'), []);
  });

  test('reads certificates, from its own folder when their paths are relative', async () => {
    for (const name of ['ca.pem', 'one.cert', 'one.key', 'both.pem'])
      writeFileSync(join(folder, name), `-----${name}-----`);
    write(
      'tls.example',
      `[host."https://a"]
        ca = "../ca.pem"
        client = [["../one.cert", "../one.key"], "../both.pem"]
        skip_verify = true`,
    );
    const [a] = await find('tls.example');
    assert.equal(a?.verifyCertificates, false);
    assert.equal(a?.tls?.ca?.at(-1), '-----ca.pem-----');
    assert.deepEqual(a?.tls?.cert?.map(String), ['-----one.cert-----', '-----both.pem-----']);
    assert.deepEqual(a?.tls?.key?.map(String), ['-----one.key-----', '-----both.pem-----']);
    write('tls.example', '[host."https://a"]\nca = "missing.pem"\n');
    await assert.rejects(find('tls.example'), /failed to load a certificate of hosts.toml: .*missing.pem/);
  });

  test('that cannot be understood is refused by its name, with the reason', async () => {
    for (const [text, reason] of [
      ['server = ', /failed to parse hosts.toml: .*hosts.toml: /],
      ['[host."ftp://x"]', /ftp:\/\/x is no address of a registry/],
      ['[host."https://x"]\ncapabilities = ["fly"]', /unknown capability fly/],
      ['[host."https://x"]\nskip-verify = true', /the key skip-verify is not known/],
      ['[host."https://x"]\ndial_timeout = "soon"', /dial_timeout is no duration/],
      ['host = 3', /host is no table/],
    ] as const) {
      write('bad.example', text);
      await assert.rejects(find('bad.example'), { kind: 'invalidParameter', message: reason });
    }
    // No name leads out of the folder.
    assert.deepEqual(
      await urls('..'),
      ['https://../v2/'].map(url => new URL(url).href),
    );
  });
});
