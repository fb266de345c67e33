import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { TestRegistry as OwnRegistry } from '../../packages/images/src/pull/test-registry.ts';
import { digestOf, MediaType } from '../../packages/oci/src/index.ts';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { noRegistry, startRegistry } from '../harness/registry.ts';
import { rootOnly } from '../harness/skip.ts';

const SIGNATURE = 'application/vnd.dev.cosign.artifact.sig.v1+json';
const CONTENTS = 'application/spdx+json';
const created = '2026-01-02T03:04:05Z';

/** A manifest that refers to `subject`, as signing tools write it. */
function artifact(subject: { digest: string; size: number }, artifactType: string, n: number): Buffer {
  const empty = { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf(Buffer.from('{}')), size: 2 };
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MediaType.ociManifest,
      artifactType,
      config: empty,
      layers: [empty],
      subject: { mediaType: MediaType.ociManifest, digest: subject.digest, size: subject.size },
      annotations: { 'org.opencontainers.image.created': created, n: String(n) },
    }),
  );
}

describe('what refers to an image', { skip: rootOnly }, () => {
  let daemon: TestDaemon;

  before(async () => {
    daemon = await startDaemon({ images: [] });
  });
  after(() => daemon[Symbol.asyncDispose]());

  test('is listed by the API of its registry, page by page, and by type', async () => {
    await using registry = await OwnRegistry.start();
    const image = registry.putImage('signed', 'v1', ['signed']);
    const name = `${registry.host}/signed:v1`;
    const nothing = await daemon.gantry('image', 'referrers', name);
    assert.equal(nothing.stdout, `Nothing refers to ${image.digest.slice(0, 19)}\n`, nothing.stderr);
    const types = [SIGNATURE, CONTENTS, SIGNATURE];
    const put = types.map((type, n) => JSON.parse(artifact(image, type, n).toString()));
    const digests = put.map(
      (document, n) => registry.putManifest('signed', `x${n}`, document, MediaType.ociManifest).digest,
    );
    const listed = await daemon.gantry('image', 'referrers', '--no-trunc', name);
    const lines = listed.stdout.trimEnd().split('\n');
    assert.equal(lines[0], `Refer to ${image.digest}:`, listed.stderr);
    assert.match(lines[1] ?? '', /^TYPE +DIGEST +SIZE +CREATED$/);
    assert.deepEqual(
      lines
        .slice(2)
        .map(line => line.split(/ {2,}/))
        .map(([type, digest, , at]) => [type, digest, at]),
      digests.map((digest, n) => [types[n], digest, created]),
    );
    const one = await daemon.gantry('image', 'referrers', '--artifact-type', CONTENTS, '--format', 'json', name);
    const answer = JSON.parse(one.stdout);
    assert.equal(answer.Source, 'api');
    assert.deepEqual(
      answer.Referrers.map(({ digest }: { digest: string }) => digest),
      [digests[1]],
    );
    const byDigest = await daemon.gantry('image', 'referrers', `${registry.host}/signed@${image.digest}`);
    assert.equal(byDigest.stdout.trimEnd().split('\n').length, 5, byDigest.stderr);
    const missing = await daemon.gantry('image', 'referrers', `${registry.host}/signed:none`);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /manifest unknown/);
  });

  test('is found by its tag in a registry without that API', { skip: noRegistry }, async () => {
    await using source = await OwnRegistry.start();
    source.hasReferrers = false;
    source.putImage('tagged', 'v1', ['tagged']);
    await using registry = await startRegistry();
    const name = `${registry.host}/tagged:v1`;
    for (const step of [
      ['pull', `${source.host}/tagged:v1`],
      ['tag', `${source.host}/tagged:v1`, name],
      ['push', name],
    ]) {
      const { code, stderr } = await daemon.docker(...step);
      assert.equal(code, 0, stderr);
    }
    const { headers, body } = await registry.api('/v2/tagged/manifests/v1', { Accept: MediaType.ociManifest });
    const subject = { digest: String(headers['docker-content-digest']), size: body.length };
    const nothing = await daemon.gantry('image', 'referrers', name);
    const tag = subject.digest.replace(':', '-');
    const where = `${subject.digest.slice(0, 19)} (by the tag ${tag.slice(0, 19)})`;
    assert.equal(nothing.stdout, `Nothing refers to ${where}\n`, nothing.stderr);
    const bytes = artifact(subject, SIGNATURE, 1);
    await put(registry.host, '/v2/tagged/blobs/uploads/', Buffer.from('{}'));
    const manifest = await put(registry.host, `/v2/tagged/manifests/${digestOf(bytes)}`, bytes, MediaType.ociManifest);
    assert.equal(manifest.status, 201, manifest.body);
    const entry = {
      mediaType: MediaType.ociManifest,
      digest: digestOf(bytes),
      size: bytes.length,
      artifactType: SIGNATURE,
    };
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [entry] }));
    const tagged = await put(registry.host, `/v2/tagged/manifests/${tag}`, index, MediaType.ociIndex);
    assert.equal(tagged.status, 201, tagged.body);
    const listed = await daemon.gantry('image', 'referrers', name);
    const [title, , row] = listed.stdout.split('\n');
    assert.equal(title, `Refer to ${where}:`, listed.stderr);
    assert.ok(row?.startsWith(`${SIGNATURE} `) && row.includes(digestOf(bytes).slice(0, 19)), row);
  });
});

/** Puts a manifest, or, with the address of uploads, a blob. */
async function put(host: string, path: string, bytes: Buffer, type = 'application/octet-stream') {
  if (!path.endsWith('/uploads/')) return await send('PUT', `http://${host}${path}`, bytes, type);
  const { location } = await send('POST', `http://${host}${path}`, Buffer.alloc(0), type);
  return await send('PUT', `${location}&digest=${digestOf(bytes)}`, bytes, type);
}

function send(
  method: string,
  url: string,
  bytes: Buffer,
  type: string,
): Promise<{ status: number; body: string; location: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': type, 'Content-Length': bytes.length };
    request(url, { method, headers, agent: false }, answer => {
      const chunks: Buffer[] = [];
      answer.on('data', chunk => chunks.push(chunk));
      answer.once('end', () =>
        resolve({
          status: answer.statusCode ?? 0,
          body: Buffer.concat(chunks).toString(),
          location: answer.headers.location ?? '',
        }),
      );
    })
      .once('error', reject)
      .end(bytes);
  });
}
