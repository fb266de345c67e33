import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { noRegistry, startRegistry } from '../harness/registry.ts';
import { rootOnly } from '../harness/skip.ts';

const host = process.arch === 'x64' ? 'amd64' : process.arch;
const foreign = host === 'arm64' ? 'amd64' : 'arm64';

describe('the image store through the official client', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
  });
  after(() => daemon?.[Symbol.asyncDispose]());

  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await daemon.docker(...args);
    assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const api = async (path: string) => JSON.parse((await daemon.api('GET', path)).body);

  /** An OCI layout with one image for each architecture, below an index, as buildx writes it. */
  const layout = (name: string, architectures: readonly string[]): string => {
    const folder = join(daemon.root, name);
    mkdirSync(join(folder, 'blobs/sha256'), { recursive: true });
    const blob = (bytes: Buffer, mediaType: string) => {
      const hex = createHash('sha256').update(bytes).digest('hex');
      writeFileSync(join(folder, 'blobs/sha256', hex), bytes);
      return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
    };
    const oci = (kind: string) => `application/vnd.oci.image.${kind}`;
    const manifests = architectures.map(architecture => {
      writeFileSync(join(folder, 'made-for'), `${architecture}\n`);
      const tar = execFileSync('tar', ['--mtime=@0', '-C', folder, '-c', 'made-for']);
      const layer = blob(tar, oci('layer.v1.tar'));
      const rootfs = { type: 'layers', diff_ids: [layer.digest] };
      const config = blob(
        Buffer.from(JSON.stringify({ architecture, os: 'linux', config: {}, rootfs })),
        oci('config.v1+json'),
      );
      const manifest = { schemaVersion: 2, mediaType: oci('manifest.v1+json'), config, layers: [layer] };
      const platform = { architecture, os: 'linux' };
      return { ...blob(Buffer.from(JSON.stringify(manifest)), oci('manifest.v1+json')), platform };
    });
    const index = { schemaVersion: 2, mediaType: oci('index.v1+json'), manifests };
    const annotations = { 'io.containerd.image.name': `docker.io/library/${name}:v1` };
    const top = [{ ...blob(Buffer.from(JSON.stringify(index)), oci('index.v1+json')), annotations }];
    writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: top }));
    writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    const archive = `${folder}.tar`;
    execFileSync('tar', ['-C', folder, '-cf', archive, 'blobs', 'index.json', 'oci-layout']);
    return archive;
  };

  test('platforms of an index live under one name, are listed, inspected, removed and saved one by one', async () => {
    const archive = layout('several', [host, foreign]);
    assert.equal(await ok('load', '-i', archive), 'Loaded image: several:v1');
    assert.equal((await ok('images', '-q', 'several')).split('\n').length, 1);
    const inspect = (platform: string) =>
      ok('image', 'inspect', '--platform', platform, '-f', '{{.Architecture}} {{.Id}}', 'several:v1');
    const [ownName, own] = (await inspect(`linux/${host}`)).split(' ');
    const [otherName, other] = (await inspect(`linux/${foreign}`)).split(' ');
    assert.deepEqual([ownName, otherName], [host, foreign]);
    assert.equal(await ok('image', 'inspect', '-f', '{{.Id}}', 'several:v1'), own);
    await assert.rejects(
      inspect('linux/s390x'),
      /its platform .* does not match the specified platform \(linux\/s390x\)/,
    );

    const [summary] = await api(`/v1.51/images/json?manifests=1&filters={"reference":["several"]}`);
    assert.match(summary.Descriptor.mediaType, /image\.index/);
    assert.deepEqual(
      summary.Manifests.map(
        (one: { Available: boolean; Kind: string; ImageData: { Platform: { architecture: string } } }) => [
          one.ImageData.Platform.architecture,
          one.Available,
          one.Kind,
        ],
      ),
      [
        [host, true, 'image'],
        [foreign, true, 'image'],
      ],
    );
    assert.equal((await api('/v1.46/images/several:v1/json')).Descriptor, undefined);
    assert.equal((await api('/v1.51/images/several:v1/json?manifests=1')).Manifests.length, 2);
    assert.match(await ok('images', '--tree', 'several'), new RegExp(`linux/${foreign}`));

    const saved = join(daemon.root, 'saved.tar');
    await ok('save', '--platform', `linux/${foreign}`, '-o', saved, 'several:v1');
    const mine = join(daemon.root, 'mine.tar');
    const byUs = await daemon.gantry('save', '--platform', `linux/${foreign}`, '-o', mine, 'several:v1');
    assert.equal(byUs.code, 0, byUs.stderr);
    assert.deepEqual(readFileSync(mine), readFileSync(saved));
    const shown = await daemon.gantry(
      'image',
      'inspect',
      '--platform',
      `linux/${foreign}`,
      '-f',
      '{{.Id}}',
      'several:v1',
    );
    assert.equal(shown.stdout.trim(), other, shown.stderr);
    const removed = await daemon.api(
      'DELETE',
      `/v1.51/images/several:v1?platforms=${encodeURIComponent(JSON.stringify({ os: 'linux', architecture: foreign }))}`,
    );
    assert.deepEqual(JSON.parse(removed.body)[0], { Deleted: other }, removed.body);
    assert.equal(await ok('image', 'inspect', '-f', '{{.Id}}', 'several:v1'), own);
    const after = await api('/v1.51/images/several:v1/json?manifests=1');
    assert.deepEqual(
      after.Manifests.map((one: { Available: boolean }) => one.Available),
      [true, false],
    );

    assert.match(await ok('rmi', 'several:v1'), /Untagged: several:v1/);
    await ok('load', '-i', saved);
    assert.equal(await ok('image', 'inspect', '-f', '{{.Id}}', 'several:v1'), other);
    await ok('rmi', 'several:v1');
    const whole = layout('whole', [host, foreign]);
    await ok('load', '-i', whole);
    await ok('tag', 'whole:v1', 'whole:v2');
    await ok('rmi', 'whole:v1');
    assert.equal(
      await ok('image', 'inspect', '--platform', `linux/${foreign}`, '-f', '{{.Architecture}}', 'whole:v2'),
      foreign,
    );
    const part = await daemon.gantry('image', 'rm', '--platform', `linux/${foreign}`, 'whole:v2');
    assert.match(part.stdout, /^Deleted: /m, part.stderr);
    await ok('load', '-i', whole);
    await ok('rmi', 'whole:v1');
    await ok('load', '-i', whole);
    await ok('rmi', 'whole:v2');
    const gone = await ok('rmi', 'whole:v1');
    assert.equal(gone.match(/^Deleted: /gm)?.length, 4, gone);
  });

  test('an index is pushed with its platforms, pulled one platform after the other, and keeps its digest when it goes on', {
    skip: noRegistry,
  }, async () => {
    await using registry = await startRegistry();
    const name = `${registry.host}/pushed/several:v1`;
    await ok('load', '-i', layout('pushed', [host, foreign]));
    await ok('tag', 'pushed:v1', name);
    const pushed = await ok('push', name);
    const [, digest = ''] = /^v1: digest: (sha256:[0-9a-f]{64}) size: \d+$/m.exec(pushed) ?? [];
    const types = [
      'application/vnd.oci.image.index.v1+json',
      'application/vnd.docker.distribution.manifest.list.v2+json',
    ];
    const index = { Accept: types.join(', ') };
    const { body } = await registry.api('/v2/pushed/several/manifests/v1', index);
    const architectures = JSON.parse(body).manifests.map(
      (one: { platform: { architecture: string } }) => one.platform.architecture,
    );
    assert.deepEqual(architectures, [host, foreign]);

    await using other = await startDaemon({ images: [] });
    const there = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await other.docker(...args);
      assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
      return stdout.trim();
    };
    const ids: string[] = [];
    for (const architecture of [foreign, host]) {
      assert.match(await there('pull', '--platform', `linux/${architecture}`, name), new RegExp(`Digest: ${digest}`));
      ids.push(await there('image', 'inspect', '--platform', `linux/${architecture}`, '-f', '{{.Id}}', name));
    }
    assert.equal(new Set(ids).size, 2);
    assert.equal(await there('images', '-q', '--no-trunc', name), ids[1]);
    assert.equal(await there('image', 'inspect', '-f', '{{.Descriptor.digest}}', name), digest);
    const elsewhere = `${registry.host}/again/several:v2`;
    await there('tag', name, elsewhere);
    assert.match(await there('push', elsewhere), new RegExp(`^v2: digest: ${digest} size: `, 'm'));
    // One platform alone goes as its manifest.
    const single = await there('push', '--platform', `linux/${foreign}`, elsewhere);
    assert.doesNotMatch(single, new RegExp(digest));
    const { headers } = await registry.api('/v2/again/several/manifests/v2', {
      Accept: 'application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json',
    });
    assert.match(String(headers['content-type']), /manifest\.v/);
    for (const one of [name, 'pushed:v1']) await ok('rmi', one);
  });

  test('an archive is imported from a URL, and what goes wrong there is told in dockerd’s words', async () => {
    const tar = execFileSync('tar', ['-C', daemon.root, '--files-from=/dev/null', '-c']);
    const server = createServer((request, response) => {
      if (request.url === '/moved.tar') response.writeHead(302, { Location: '/root.tar' }).end();
      else if (request.url === '/root.tar') response.end(tar);
      else if (request.url?.startsWith('/loop')) response.writeHead(302, { Location: `${request.url}x` }).end();
      else response.writeHead(404).end('not here');
    });
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
    const at = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      const out = await ok('import', '-c', 'CMD ["x"]', '-m', 'from afar', `http://${at}/moved.tar`, 'afar:v1');
      assert.match(out, /^Downloading from http:.*\/moved\.tar\n[\s\S]*sha256:[0-9a-f]{64}$/);
      assert.equal(await ok('image', 'inspect', '-f', '{{.Config.Cmd}} {{.Comment}}', 'afar:v1'), '[x] from afar');
      const none = await daemon.api('POST', `/v1.51/images/create?fromSrc=${encodeURIComponent(`http://${at}/none`)}`);
      assert.equal(none.status, 404);
      assert.match(none.body, /failed to GET http:.*\/none with status 404 Not Found: not here/);
      const closed = await daemon.api('POST', '/v1.51/images/create?fromSrc=http%3A%2F%2F127.0.0.1%3A1%2Fx');
      assert.equal(closed.status, 500);
      assert.match(closed.body, /Get \\"http:\/\/127\.0\.0\.1:1\/x\\": /);
      assert.match(closed.body, /dial tcp 127\.0\.0\.1:1: connect: connection refused/);
      const loop = await daemon.api('POST', `/v1.51/images/create?fromSrc=${encodeURIComponent(`http://${at}/loop`)}`);
      assert.deepEqual([loop.status, /stopped after 10 redirects/.test(loop.body)], [500, true], loop.body);
      const plain = await daemon.api('POST', `/v1.51/images/create?fromSrc=${encodeURIComponent(`https://${at}/x`)}`);
      assert.match(plain.body, /http: server gave HTTP response to HTTPS client/);
      const other = await daemon.api('POST', '/v1.51/images/create?fromSrc=ftp%3A%2F%2Fx%2Fy');
      assert.match(other.body, /Get \\"ftp:\/\/x\/y\\": unsupported protocol scheme \\"ftp\\"/);
    } finally {
      server.close();
    }
  });

  test('an archive is imported from a URL through the proxy of the daemon', async () => {
    const tar = execFileSync('tar', ['-C', daemon.root, '--files-from=/dev/null', '-c']);
    const asked: string[] = [];
    const proxy = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      response.end(tar);
    });
    await new Promise<void>(done => proxy.listen(0, '127.0.0.1', done));
    const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    try {
      await using behind = await startDaemon({
        images: [],
        flags: ['--http-proxy', address, '--no-proxy', 'direct.invalid'],
      });
      const through = await behind.docker('import', 'http://files.invalid/root.tar', 'through:v1');
      assert.equal(through.code, 0, through.stderr);
      assert.deepEqual(asked, ['GET http://files.invalid/root.tar']);
      const direct = await behind.docker('import', 'http://direct.invalid/root.tar');
      assert.match(
        direct.stderr,
        /Get "http:\/\/direct\.invalid\/root\.tar": dial tcp: lookup direct\.invalid: no such host/,
      );
    } finally {
      proxy.close();
    }
  });

  test('explain says which instruction put what where, and what nobody needs', async () => {
    const script = (text: string) => ok('run', '--name', 'step', 'explained', 'sh', '-c', text);
    const step = async (text: string): Promise<void> => {
      await script(text);
      await ok('commit', 'step', 'explained');
      await ok('rm', 'step');
    };
    await ok('tag', 'busybox', 'explained');
    await step(
      'mkdir -p /var/lib/apt/lists /data; seq 20000 > /data/a; cp /data/a /data/b; seq 9000 > /var/lib/apt/lists/x; seq 30000 > /big',
    );
    await step('rm /big; echo changed > /data/a');
    const { code, stdout, stderr } = await daemon.gantry('image', 'explain', '--format', 'json', 'explained');
    assert.equal(code, 0, stderr);
    const report = JSON.parse(stdout);
    const big = 168894;
    const seq = 108894;
    assert.equal(report.Steps.length, 3);
    assert.equal(report.Steps[1].Size, big + seq * 2 + 43893);
    assert.equal(report.Steps[1].Hidden, big + seq);
    assert.equal(report.Steps[2].Hides, big + seq);
    assert.equal(report.Hidden, big + seq);
    assert.deepEqual(report.HiddenFiles, [
      { Path: '/big', Layer: 1, Size: big, By: 2, How: 'removed' },
      { Path: '/data/a', Layer: 1, Size: seq, By: 2, How: 'overwritten' },
    ]);
    assert.deepEqual(
      report.DroppableFiles.map((one: { What: string; Size: number }) => [one.What, one.Size]),
      [['package lists of apt', 43893]],
    );
    assert.equal(report.Size - report.Hidden, report.Visible);
    const table = (await daemon.gantry('image', 'explain', 'explained')).stdout;
    assert.match(table, /HIDDEN LATER/);
    assert.match(table, /rm -rf \/var\/lib\/apt\/lists/);
    const missing = await daemon.gantry('image', 'explain', 'nothing');
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /No such image: nothing:latest/);
    assert.equal((await daemon.gantry('image', 'explain', '--format', 'xml', 'explained')).code, 1);
  });

  test('prune takes Docker’s filters, and ours: how long an image was not used, and how much may stay', async () => {
    const names = async (): Promise<string[]> => (await ok('images', '--format', '{{.Repository}}')).split('\n').sort();
    const make = (name: string, ...changes: string[]) =>
      ok('import', ...changes.flatMap(change => ['-c', change]), join(daemon.root, 'prune.tar'), name);
    writeFileSync(join(daemon.root, 'payload'), Buffer.alloc(1_000_000, 'x'));
    execFileSync('tar', ['-C', daemon.root, '-cf', join(daemon.root, 'prune.tar'), 'payload']);
    await make('kept', 'LABEL keep=yes');
    await make('loose', 'LABEL a=b');
    const before = await names();
    assert.match(await ok('image', 'prune', '-f', '-a', '--filter', 'unused-for=1h'), /Total reclaimed space: 0B/);
    assert.deepEqual(await names(), before);
    assert.match(await ok('image', 'prune', '-f', '-a', '--filter', 'keep-storage=1TB'), /Total reclaimed space: 0B/);
    assert.match(
      await ok('image', 'prune', '-f', '-a', '--filter', 'label=a=b', '--filter', 'label!=keep=yes'),
      /untagged: loose:latest/,
    );
    assert.deepEqual(
      await names(),
      before.filter(name => name !== 'loose'),
    );
    for (const [filter, message] of [
      ['unused-for=soon', /invalid filter 'unused-for=soon'/],
      ['keep-storage=much', /invalid size: 'much'/],
      ['nonsense=1', /invalid filter 'nonsense'/],
    ] as const) {
      const { code, stderr } = await daemon.docker('image', 'prune', '-f', '--filter', filter);
      assert.equal(code, 1);
      assert.match(stderr, message);
    }
    await ok('create', '--name', 'user', 'busybox', 'true');
    await ok('image', 'prune', '-f', '-a', '--filter', 'keep-storage=1B');
    // What a container has stays, whatever it weighs.
    assert.deepEqual(await names(), ['busybox']);
    const { ImagesDeleted } = JSON.parse(
      (await daemon.api('POST', '/v1.51/images/prune?filters={"unused-for":["0s"],"dangling":["false"]}')).body,
    );
    assert.equal(ImagesDeleted, null);
    await ok('rm', 'user');
  });
});
