/** Images go through other engines' tools and back, and their trees stay the same to the byte. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { execute } from '../harness/execute.ts';
import { inPeers, peerSocket, peersRoot, peersSkip } from '../harness/peers.ts';
import { describeTree, makeDifficultTree } from '../harness/tree.ts';

const answers = (socket: string): Promise<boolean> =>
  new Promise(done => {
    const connection = connect(socket, () => done(true)).once('error', () => done(false));
    connection.unref();
    setTimeout(() => connection.destroy(), 1000).unref();
  });
const dockerdSkip =
  peersSkip() || (!(await answers(peerSocket)) && 'this machine lacks a running dockerd of the peers');

describe('images between engines', { skip: peersSkip() }, () => {
  let daemon: TestDaemon;
  /** Seen by us as `folder`, by the peers as `inside`. */
  let folder = '';
  let inside = '';
  let expected: string[] = [];
  let ours = '';
  let full = '';

  before(async () => {
    daemon = await startDaemon({ images: [] });
    folder = mkdtempSync(join(peersRoot, 'tmp/gantry-peers-'));
    inside = `/tmp/${basename(folder)}`;
    const tree = join(daemon.root, 'tree');
    makeDifficultTree(tree);
    const tar = ['--format=posix', '--xattrs', '--xattrs-include=*', '--numeric-owner', '--sort=name', '-C', tree];
    execFileSync('tar', [...tar, '--sparse', '-cf', join(folder, 'tree.tar'), '.']);
    execFileSync('tar', [...tar, '-cf', join(folder, 'tree-full.tar'), '.']);
    expected = describeTree(tree);
    await ok('import', '-c', 'CMD ["x"]', join(folder, 'tree.tar'), 'difficult:v1');
    await ok('save', '-o', join(folder, 'ours.tar'), 'difficult:v1');
    // What keeps archives by tar-split (dockerd, buildah, podman) cannot give GNU's sparse files back.
    await ok('import', '-c', 'CMD ["x"]', join(folder, 'tree-full.tar'), 'full:v1');
    await ok('save', '-o', join(folder, 'full.tar'), 'full:v1');
    ours = await ok('image', 'inspect', '-f', '{{.RootFS.Layers}}', 'difficult:v1');
    full = await ok('image', 'inspect', '-f', '{{.RootFS.Layers}}', 'full:v1');
  });
  after(async () => {
    if (folder) rmSync(folder, { recursive: true, force: true });
    await daemon?.[Symbol.asyncDispose]();
  });

  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await daemon.docker(...args);
    assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const peers = async (program: string, ...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await inPeers(program, ...args);
    assert.equal(code, 0, `${program} ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const treeOf = async (name: string): Promise<string[]> =>
    describeTree(await ok('image', 'inspect', '-f', '{{.GraphDriver.Data.UpperDir}}', name));
  /** Loads an archive under no name of ours yet; returns the id. */
  const load = async (archive: string): Promise<string> =>
    /Loaded image(?: ID)?: (\S+)/.exec(await ok('load', '-i', join(folder, archive)))?.[1] ?? '';

  test('an imported tree is the tree that was packed, and so is what is saved and loaded again', async () => {
    assert.deepEqual(await treeOf('difficult:v1'), expected);
    await ok('rmi', 'difficult:v1');
    assert.equal(await load('ours.tar'), 'difficult:v1');
    assert.deepEqual(await treeOf('difficult:v1'), expected);
  });

  test('umoci unpacks what skopeo takes out of our archive, and we load what skopeo makes of it', async () => {
    await peers('skopeo', 'copy', '-q', `docker-archive:${inside}/ours.tar`, `oci:${inside}/layout:v1`);
    await peers('umoci', 'unpack', '--image', `${inside}/layout:v1`, `${inside}/bundle`);
    const unpacked = describeTree(join(folder, 'bundle/rootfs'));
    assert.deepEqual(unpacked, expected);
    await peers('skopeo', 'copy', '-q', `oci:${inside}/layout:v1`, `oci-archive:${inside}/skopeo.tar:difficult:skopeo`);
    await ok('rmi', 'difficult:v1');
    const id = await load('skopeo.tar');
    assert.deepEqual(await treeOf(id), expected);
    assert.equal(await ok('image', 'inspect', '-f', '{{.RootFS.Layers}}', id), ours);
    await ok('rmi', id);
    execFileSync('tar', ['-C', join(folder, 'layout'), '-cf', join(folder, 'umoci.tar'), '.']);
    assert.deepEqual(await treeOf(await load('umoci.tar')), expected);
  });

  test('skopeo reads our archive as an OCI layout too', async () => {
    const text = await peers('skopeo', 'inspect', `oci-archive:${inside}/ours.tar`);
    assert.deepEqual(JSON.parse(text).Layers, ours.slice(1, -1).split(' '));
  });

  for (const program of ['buildah', 'podman'] as const) {
    test(`${program} takes our archive, and we what it writes`, async () => {
      const roots = [
        '--root',
        `${inside}/${program}`,
        '--runroot',
        `${inside}/${program}-run`,
        '--storage-driver',
        'vfs',
      ];
      try {
        const pulled = await peers(program, ...roots, 'pull', '-q', `docker-archive:${inside}/full.tar`);
        const id = /[0-9a-f]{64}/.exec(pulled)?.[0] ?? '';
        const destination = `docker-archive:${inside}/${program}.tar:difficult:${program}`;
        await peers(program, ...roots, 'push', '-q', id, destination);
        const name = await load(`${program}.tar`);
        assert.equal(await ok('image', 'inspect', '-f', '{{.RootFS.Layers}}', name), full);
        assert.deepEqual(await treeOf(name), expected);
      } finally {
        await inPeers('rm', '-rf', `${inside}/${program}`, `${inside}/${program}-run`);
      }
    });
  }

  test('dockerd loads our archive as the same image, and we its', { skip: dockerdSkip }, async () => {
    const name = `gantry-peers-${process.pid}:v1`;
    const docker = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await execute('docker', ['-H', `unix://${peerSocket}`, ...args]);
      assert.equal(code, 0, stderr);
      return stdout.trim();
    };
    await load('full.tar');
    await ok('tag', 'full:v1', name);
    await ok('save', '-o', join(folder, 'named.tar'), name);
    try {
      await docker('load', '-q', '-i', join(folder, 'named.tar'));
      const id = await ok('image', 'inspect', '-f', '{{.Id}}', name);
      assert.equal(await docker('image', 'inspect', '-f', '{{.Id}}', name), id);
      const upper = await docker('image', 'inspect', '-f', '{{.GraphDriver.Data.UpperDir}}', name);
      const theirs = existsSync(join(peersRoot, upper)) ? join(peersRoot, upper) : upper;
      // dockerd changes the owner of a hard link once more, by which the file loses its capabilities; all else is there.
      const linked = (line: string): boolean => /^\/bin\/(set-id|hard-link) /.test(line);
      const plain = (line: string): string => (linked(line) ? line.replace(/ security\.capability=\w+/, '') : line);
      assert.deepEqual(describeTree(theirs), expected.map(plain));
      await docker('save', '-o', join(folder, 'dockerd.part'), name);
      renameSync(join(folder, 'dockerd.part'), join(folder, 'dockerd.tar'));
    } finally {
      await docker('rmi', name);
    }
    for (const one of (await ok('images', '-q', '--no-trunc')).split('\n')) await ok('rmi', '-f', one);
    assert.equal(await load('dockerd.tar'), name);
    assert.deepEqual(await treeOf(name), expected);
  });

  test('without the layers of a name nothing of it is left on disk', async () => {
    for (const one of new Set((await ok('images', '-q', '--no-trunc')).split('\n')))
      if (one) await ok('rmi', '-f', one);
    assert.equal(JSON.parse((await daemon.api('GET', '/v1.51/system/df')).body).LayersSize, 0);
  });
});
