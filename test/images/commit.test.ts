import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { rootOnly } from '../harness/skip.ts';

for (const driver of ['overlay2', 'vfs']) {
  describe(`docker commit with ${driver}`, { skip: rootOnly }, () => {
    let daemon: TestDaemon;
    before(async () => {
      daemon = await startDaemon({ flags: ['--storage-driver', driver] });
    });
    after(() => daemon?.[Symbol.asyncDispose]());

    const succeed = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await daemon.docker(...args);
      assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
      return stdout.trim();
    };

    test('what a container has changed becomes a layer', async () => {
      const script =
        'mkdir /new; echo a >/new/a; ln /new/a /new/b; rm /etc/group; rm -r /root; mkdir /root; echo r >/root/r; echo x >/.wh.etc';
      await succeed('run', '--name', 'source', 'busybox', 'sh', '-c', script);
      const id = await succeed(
        'commit',
        '-a',
        'me',
        '-m',
        'why',
        '-c',
        'ENV A=1',
        '-c',
        'CMD ["env"]',
        'source',
        'made:v1',
      );
      assert.match(id, /^sha256:[0-9a-f]{64}$/);
      assert.match(await succeed('run', '--rm', 'made:v1'), /^A=1$/m);
      const shown = await succeed(
        'run',
        '--rm',
        'made:v1',
        'sh',
        '-c',
        'cat /new/b /root/r; stat -c %h /new/a; ls -d /etc /etc/group 2>&1; true',
      );
      assert.match(shown, /^a\nr\n2\n/);
      assert.match(shown, /^\/etc$/m, 'a file of a whiteout name hides nothing');
      assert.match(shown, /\/etc\/group: No such file/);
      const [image] = JSON.parse(await succeed('inspect', 'made:v1')) as [
        { Author: string; Comment: string; Parent: string; RootFS: { Layers: string[] } },
      ];
      assert.deepEqual([image.Author, image.Comment, image.RootFS.Layers.length], ['me', 'why', 2]);
      assert.equal(image.Parent, await succeed('inspect', '-f', '{{.Id}}', 'busybox'));
      assert.match(
        await succeed('history', '--no-trunc', '--format', '{{.CreatedBy}}|{{.Comment}}', 'made:v1'),
        /^sh -c .*\|why\n/,
      );
    });

    test('it is saved and loaded bit for bit', async () => {
      const archive = join(daemon.root, 'made.tar');
      const before = await succeed('inspect', '-f', '{{.Id}}', 'made:v1');
      await succeed('save', '-o', archive, 'made:v1');
      await succeed('rmi', 'made:v1');
      await succeed('load', '-i', archive);
      assert.equal(await succeed('inspect', '-f', '{{.Id}}', 'made:v1'), before);
      assert.equal(await succeed('run', '--rm', 'made:v1', 'cat', '/new/a'), 'a');
    });

    test('a running container is committed and runs on; one without changes makes no layer', async () => {
      await succeed('run', '-d', '--name', 'runs', 'busybox', 'sleep', '1000');
      await succeed('commit', 'runs', 'same:v1');
      assert.equal(await succeed('inspect', '-f', '{{.State.Status}}', 'runs'), 'running');
      assert.equal(await succeed('inspect', '-f', '{{len .RootFS.Layers}}', 'same:v1'), '1');
      await succeed('exec', 'runs', 'touch', '/touched');
      await succeed('commit', '--pause=false', 'runs', 'same:v2');
      assert.equal(await succeed('inspect', '-f', '{{len .RootFS.Layers}}', 'same:v2'), '2');
      assert.equal(await succeed('run', '--rm', 'same:v2', 'ls', '/touched'), '/touched');
      assert.match((await daemon.docker('commit', 'nosuch')).stderr, /No such container: nosuch/);
      assert.match(
        (await daemon.docker('commit', '-c', 'FROM x', 'runs')).stderr,
        /FROM is not a valid change command/,
      );
    });
  });
}
