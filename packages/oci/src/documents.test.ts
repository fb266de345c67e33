import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGantryError } from '@gantry/errors';
import { chainIds, digestOf, parseDigest } from './digest.ts';
import { MAX_MANIFEST_BYTES, parseImageConfig, parseImageDocument } from './documents.ts';
import { MediaType } from './media-types.ts';
import { bestPlatform, formatPlatform, parsePlatform, platformScore } from './platform.ts';

const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const digest = digestOf('x');
const layer = { mediaType: MediaType.ociLayerGzip, digest, size: 12 };
const manifest = {
  schemaVersion: 2,
  mediaType: MediaType.ociManifest,
  config: { mediaType: MediaType.ociConfig, digest, size: 3 },
  layers: [layer],
};

test('manifests and indexes of both families are read', () => {
  const read = parseImageDocument(bytes(manifest));
  assert.equal(read.kind === 'manifest' && read.manifest.layers[0]?.size, 12);
  const docker = parseImageDocument(
    bytes({ ...manifest, mediaType: MediaType.dockerManifest }),
    `${MediaType.dockerManifest}; charset=utf-8`,
  );
  assert.equal(docker.kind, 'manifest');
  const index = parseImageDocument(
    bytes({
      schemaVersion: 2,
      manifests: [
        { ...layer, mediaType: MediaType.ociManifest, platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
      ],
    }),
  );
  assert.deepEqual(index.kind === 'index' && index.index.manifests[0]?.platform, {
    os: 'linux',
    architecture: 'arm64',
    variant: 'v8',
  });
});

test('broken documents are refused by name', () => {
  const table: [unknown, RegExp][] = [
    [{ ...manifest, schemaVersion: 1 }, /schema 1 is not supported/],
    [{ ...manifest, schemaVersion: 3 }, /unknown schemaVersion/],
    [{ ...manifest, manifests: [] }, /both/],
    [{ ...manifest, mediaType: 'application/json' }, /unsupported manifest media type/],
    [{ ...manifest, layers: [{ ...layer, digest: '../../etc/passwd' }] }, /layers\[0\] has an invalid digest/],
    [{ ...manifest, layers: [{ ...layer, size: -1 }] }, /invalid size/],
    [{ ...manifest, layers: 'all' }, /not a list/],
    [{ ...manifest, layers: Array.from({ length: 501 }, () => layer) }, /at most 500/],
    [{ ...manifest, config: undefined }, /config is not a descriptor/],
    [[], /not a JSON object/],
  ];
  for (const [value, message] of table) assert.throws(() => parseImageDocument(bytes(value)), message);
  assert.throws(() => parseImageDocument(Buffer.alloc(MAX_MANIFEST_BYTES + 1)), /more than the allowed/);
  assert.throws(() => parseImageDocument(Buffer.from('{"a":"\xff"}', 'latin1')), /not a JSON/);
  assert.throws(() => parseImageDocument(bytes(manifest), MediaType.ociIndex), /differs from Content-Type/);
});

test('damaged documents give our error and no other', () => {
  const whole = bytes(manifest);
  let seed = 7;
  for (let i = 0; i < 5000; i++) {
    const copy = Buffer.from(whole);
    for (let k = 0; k < 3; k++) {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      copy[seed % copy.length] = (seed >> 8) % 256;
    }
    try {
      parseImageDocument(copy);
    } catch (error) {
      assert.ok(isGantryError(error, 'invalidParameter'), String(error));
    }
  }
});

test('an image configuration needs its root file system and keeps what it does not know', () => {
  const config = parseImageConfig(
    bytes({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [digest] }, 'moby.x': 1 }),
  );
  assert.equal(config['moby.x'], 1);
  assert.throws(() => parseImageConfig(bytes({ os: 'linux' })), { message: 'invalid image JSON, no RootFS key' });
  assert.throws(() => parseImageConfig(bytes({ rootfs: { type: 'layers', diff_ids: ['x'] } })), /invalid digest/);
  assert.throws(() => parseImageConfig(bytes({ rootfs: { type: 'layers', diff_ids: [] }, config: [] })), /wrong type/);
});

test('digests are checked and chained', () => {
  assert.equal(parseDigest(digest), digest);
  for (const bad of ['sha256:', 'sha256:zz', `sha256:${'A'.repeat(64)}`, `sha1:${'a'.repeat(40)}`, 'x']) {
    assert.throws(() => parseDigest(bad), { kind: 'invalidParameter' }, bad);
  }
  const [first, second] = chainIds([digest, digest]);
  assert.equal(first, digest);
  assert.equal(second, digestOf(`${digest} ${digest}`));
});

test('what is no platform is refused in the words of dockerd', () => {
  const component = 'platform specifier component must match "^[A-Za-z0-9_.-]+$"';
  const system =
    'OSAndVersion specifier component must match "^([A-Za-z0-9_-]+)(?:\\\\(([A-Za-z0-9_.%-]*)((?:\\\\+[A-Za-z0-9_.%-]+)*)\\\\))?$"';
  const problems: Readonly<Record<string, string>> = {
    'a/b/c/d': '"a/b/c/d": cannot parse platform specifier',
    'linux/': `"" is an invalid component of "linux/": ${component}`,
    'linux//v1': `"" is an invalid component of "linux//v1": ${component}`,
    'linux/amd64(1)': `"amd64(1)" is an invalid component of "linux/amd64(1)": ${component}`,
    '/': `"" is an invalid OS component of "/": ${system}`,
    'li nux/amd64': `"li nux" is an invalid OS component of "li nux/amd64": ${system}`,
    'linux/*': '"linux/*": wildcards not yet supported',
    foo: '"foo": unknown operating system or architecture',
  };
  for (const [text, problem] of Object.entries(problems)) {
    assert.throws(() => parsePlatform(text), { kind: 'invalidParameter', message: `${problem}: invalid argument` });
  }
});

test('a platform is shown as it was written', () => {
  const shown = (text: string): string => formatPlatform(parsePlatform(text));
  assert.deepEqual(
    ['linux/arm64/v8', 'linux/arm64', 'linux/arm', 'linux/arm/v7', 'LINUX/x86_64', 'aarch64', 'linux/amd64/v1'].map(
      shown,
    ),
    ['linux/arm64/v8', 'linux/arm64', 'linux/arm', 'linux/arm/v7', 'linux/amd64', 'linux/arm64', 'linux/amd64'],
  );
  assert.deepEqual(parsePlatform('windows(10.0.17763)/amd64'), {
    os: 'windows',
    architecture: 'amd64',
    'os.version': '10.0.17763',
  });
  assert.equal(platformScore(parsePlatform('linux/arm64/v8'), parsePlatform('linux/arm64')), 100);
});

test('the best platform of a list is chosen', () => {
  const list = ['linux/amd64', 'linux/arm/v5', 'linux/arm/v7', 'linux/arm64/v8'].map(text => parsePlatform(text));
  const choose = (wanted: string): string | undefined => {
    const found = bestPlatform(parsePlatform(wanted), list, p => p);
    return found && formatPlatform(found);
  };
  assert.equal(choose('linux/x86_64'), 'linux/amd64');
  assert.equal(choose('linux/arm64'), 'linux/arm64/v8');
  assert.equal(choose('linux/arm/v6'), 'linux/arm/v5');
  assert.equal(choose('linux/s390x'), undefined);
  assert.equal(platformScore(parsePlatform('linux/arm/v6'), parsePlatform('linux/arm/v7')), 0);
  assert.throws(() => parsePlatform('linux/a/b/c'), /cannot parse platform specifier/);
  assert.throws(() => parsePlatform('foo'), /unknown operating system or architecture/);
});
