import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { execute } from '../harness/execute.ts';
import { importTree } from '../harness/image.ts';
import { noRegistry, registryProgram } from '../harness/registry.ts';
import { rootOnly } from '../harness/skip.ts';

describe('images through the official client', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
  });
  after(() => daemon?.[Symbol.asyncDispose]());

  const succeed = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await daemon.docker(...args);
    assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };

  test('hello-world is an ordinary image: listed, saved, removed for good', async () => {
    assert.match(await succeed('images', 'hello-world'), /hello-world\s+latest\s+[0-9a-f]{12}/);
    const archive = join(daemon.root, 'hello.tar');
    await succeed('save', '-o', archive, 'hello-world');
    assert.match(
      await succeed('rmi', 'hello-world'),
      /Untagged: hello-world:latest[\s\S]*Deleted: sha256:[0-9a-f]{64}/,
    );
    await daemon.end('SIGTERM');
    await daemon.start();
    assert.equal(await succeed('images', '-q', 'hello-world'), '', 'a removed seed does not come back');
    assert.match(await succeed('load', '-i', archive), /Loaded image: hello-world:latest/);
    assert.match(await succeed('run', '--rm', 'hello-world'), /Gantry/);
  });

  test('import with changes, inspect, history', async () => {
    await importTree(daemon, 'configured:v1', {
      changes: ['CMD ["echo", "hi"]', 'LABEL a=b', 'EXPOSE 80/tcp', 'VOLUME /data'],
    });
    const [image] = JSON.parse(await succeed('inspect', 'configured:v1')) as [
      {
        Id: string;
        Config: { Cmd: string[]; Labels: object; ExposedPorts: object; Volumes: object };
        RootFS: { Layers: string[] };
        Size: number;
        Os: string;
      },
    ];
    assert.deepEqual(image.Config.Cmd, ['echo', 'hi']);
    assert.deepEqual(image.Config.Labels, { a: 'b' });
    assert.deepEqual(image.Config.ExposedPorts, { '80/tcp': {} });
    assert.deepEqual(image.Config.Volumes, { '/data': {} });
    assert.equal(image.RootFS.Layers.length, 1);
    assert.ok(image.Size > 1_000_000);
    assert.match(await succeed('history', '--no-trunc', 'configured:v1'), /Imported from -/);
    assert.equal(await succeed('inspect', '-f', '{{.Id}}', image.Id.slice(7, 19)), image.Id, 'found by an id prefix');
  });

  test('tag and rmi follow names; an image that a container uses stays', async () => {
    await succeed('tag', 'busybox', 'registry.example:5000/team/box:v2');
    assert.match(await succeed('images', 'registry.example:5000/team/box'), /v2/);
    assert.equal(
      await succeed('rmi', 'registry.example:5000/team/box:v2'),
      'Untagged: registry.example:5000/team/box:v2',
    );
    await succeed('create', '--name', 'holder', 'busybox', 'true');
    const held = await daemon.docker('rmi', 'busybox');
    assert.match(
      held.stderr,
      /unable to remove repository reference "busybox" \(must force\) - container [0-9a-f]{12} is using its referenced image/,
    );
    await succeed('rm', 'holder');
    assert.match((await daemon.docker('rmi', 'nosuchimage')).stderr, /No such image: nosuchimage/);
    assert.match(
      (await daemon.docker('tag', 'busybox', 'UPPER')).stderr,
      /invalid reference format: repository name .*must be lowercase|repository name must be lowercase/,
    );
  });

  test('an archive of several layers is loaded with its links, owners and whiteouts', async () => {
    const archive = join(daemon.root, 'layers.tar');
    await dockerArchive(archive, 'layered:v1', [
      async root => {
        writeFileSync(join(root, 'gone'), 'x');
        writeFileSync(join(root, 'kept'), 'first');
        mkdirSync(join(root, 'full'));
        writeFileSync(join(root, 'full/old'), 'x');
        await execute('ln', [join(root, 'kept'), join(root, 'hard')]);
        await execute('cp', ['/usr/bin/busybox', join(root, 'busybox')]);
      },
      async root => {
        writeFileSync(join(root, '.wh.gone'), '');
        writeFileSync(join(root, 'kept'), 'second');
        mkdirSync(join(root, 'full'));
        writeFileSync(join(root, 'full/.wh..wh..opq'), '');
        writeFileSync(join(root, 'full/new'), 'y');
        await execute('chown', ['12345:54321', join(root, 'kept')]);
      },
    ]);
    assert.match(await succeed('load', '-i', archive), /Loaded image: layered:v1/);
    const shown = await succeed(
      'run',
      '--rm',
      'layered:v1',
      '/busybox',
      'sh',
      '-c',
      '/busybox ls / /full; /busybox cat /kept /hard; /busybox stat -c " %u:%g" /kept',
    );
    assert.ok(!/^gone$/m.test(shown) && !/^old$/m.test(shown), shown);
    assert.match(shown, /^new$/m);
    assert.match(shown, /secondfirst 12345:54321/);
    const again = join(daemon.root, 'again.tar');
    const layers = await succeed('inspect', '-f', '{{json .RootFS.Layers}}', 'layered:v1');
    await succeed('save', '-o', again, 'layered:v1');
    await succeed('rmi', 'layered:v1');
    await succeed('load', '-i', again);
    assert.equal(
      await succeed('inspect', '-f', '{{json .RootFS.Layers}}', 'layered:v1'),
      layers,
      'saved layers are the loaded ones',
    );
  });

  test('a pull from a registry on loopback, and its errors', { skip: noRegistry }, async () => {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const config = join(daemon.root, 'registry.yml');
    writeFileSync(
      config,
      `version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: ${daemon.root}/registry\nhttp:\n  addr: 127.0.0.1:${port}\n`,
    );
    const registry = spawn(registryProgram ?? '', ['serve', config], { stdio: 'ignore' });
    const ended = new Promise(done => registry.once('exit', done));
    try {
      while (!(await listens(port))) await delay(20);
      const name = `localhost:${port}/team/image:v1`;
      const { diffId, manifestDigest } = await putImage(port, 'team/image', 'v1');
      const pulled = await succeed('pull', name);
      assert.match(pulled, new RegExp(`Digest: ${manifestDigest}\\nStatus: Downloaded newer image for ${name}`));
      assert.equal(await succeed('inspect', '-f', '{{index .RootFS.Layers 0}}', name), diffId);
      assert.match(await succeed('pull', name), /Status: Image is up to date for/);
      assert.equal(await succeed('run', '--rm', name, '/busybox', 'echo', 'pulled'), 'pulled');
      const missing = await daemon.docker('pull', `localhost:${port}/team/image:nosuch`);
      assert.match(
        missing.stderr,
        new RegExp(`manifest for localhost:${port}/team/image:nosuch not found: manifest unknown`),
      );
    } finally {
      registry.kill();
      await ended;
    }
  });
});

/** Writes a `docker save` archive of layers that `fill` functions lay out. */
async function dockerArchive(
  path: string,
  name: string,
  fill: readonly ((root: string) => Promise<void>)[],
): Promise<void> {
  const scratch = `${path}.d`;
  mkdirSync(scratch);
  const diffIds: string[] = [];
  for (const [index, layOut] of fill.entries()) {
    const root = join(scratch, `root${index}`);
    mkdirSync(root);
    await layOut(root);
    await execute('tar', ['-C', root, '-cf', join(scratch, `layer${index}.tar`), '.']);
    diffIds.push(digestOf(readFileSync(join(scratch, `layer${index}.tar`))));
  }
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: diffIds },
  });
  writeFileSync(join(scratch, 'config.json'), config);
  const Layers = fill.map((_, index) => `layer${index}.tar`);
  writeFileSync(join(scratch, 'manifest.json'), JSON.stringify([{ Config: 'config.json', RepoTags: [name], Layers }]));
  await execute('tar', ['-C', scratch, '-cf', path, 'manifest.json', 'config.json', ...Layers]);
}

function digestOf(bytes: Buffer | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

async function listens(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/v2/`).then(
    answer => answer.ok,
    () => false,
  );
}

/** Pushes a one-layer image with busybox by plain requests. */
async function putImage(
  port: number,
  repository: string,
  tag: string,
): Promise<{ diffId: string; manifestDigest: string }> {
  const base = `http://127.0.0.1:${port}/v2/${repository}`;
  const layer = await new Promise<Buffer>((resolve, reject) => {
    const child = spawn('tar', ['-C', '/usr/bin', '-cf', '-', 'busybox']);
    const chunks: Buffer[] = [];
    child.stdout.on('data', chunk => chunks.push(chunk));
    child.once('error', reject);
    child.once('close', () => resolve(Buffer.concat(chunks)));
  });
  const { gzipSync } = await import('node:zlib');
  const packed = gzipSync(layer, { level: 1 });
  const put = async (bytes: Buffer): Promise<{ digest: string; size: number }> => {
    const started = await fetch(`${base}/blobs/uploads/`, { method: 'POST' });
    const location = new URL(started.headers.get('location') ?? '', base);
    location.searchParams.set('digest', digestOf(bytes));
    const answer = await fetch(location, { method: 'PUT', body: new Uint8Array(bytes) });
    assert.equal(answer.status, 201);
    return { digest: digestOf(bytes), size: bytes.length };
  };
  const diffId = digestOf(layer);
  const config = Buffer.from(
    JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: [diffId] } }),
  );
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...(await put(config)) },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', ...(await put(packed)) }],
  });
  const answer = await fetch(`${base}/manifests/${tag}`, {
    method: 'PUT',
    body: manifest,
    headers: { 'Content-Type': 'application/vnd.oci.image.manifest.v1+json' },
  });
  assert.equal(answer.status, 201);
  return { diffId, manifestDigest: digestOf(manifest) };
}
