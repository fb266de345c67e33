import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { notFound } from '@gantry/errors';
import { StateStore } from '@gantry/store';
import { openVolumeStore, type VolumeStore } from '@gantry/volumes';
import type { ContainerConfig, HostConfig } from '../documents/index.ts';
import { fillConfig, fillHostConfig } from '../validate/fill.ts';
import { type ContainerMount, mountPoint } from './mount-model.ts';
import { resolveMounts } from './resolve-mounts.ts';

const scratch = mkdtempSync(join(tmpdir(), 'gantry-mounts-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

let stores = 0;

async function resolve(
  host: Partial<HostConfig>,
  config: Partial<ContainerConfig> = {},
  others: Record<string, ContainerMount[]> = {},
): Promise<{ mounts: ContainerMount[]; volumes: VolumeStore; root: string }> {
  const root = join(scratch, String(++stores));
  using store = new StateStore(':memory:');
  const volumes = await openVolumeStore({ root, store, run: async () => new Map() });
  try {
    const mounts = await resolveMounts({
      containerId: 'ab'.repeat(32),
      config: fillConfig(config),
      hostConfig: fillHostConfig(host),
      volumes,
      dataRoot: '/var/lib/gantry',
      findImage: ref => {
        if (ref !== 'known') throw notFound(`No such image: ${ref}:latest`);
        return `sha256:${'cd'.repeat(32)}`;
      },
      findContainer: ref => {
        const found = others[ref];
        if (!found) throw notFound(`No such container: ${ref}`);
        return { mounts: found };
      },
    });
    return { mounts, volumes, root };
  } catch (error) {
    const anonymous = volumes.list().filter(volume => volume.anonymous);
    assert.deepEqual(anonymous, [], 'a refused mount leaves no anonymous volume');
    throw error;
  }
}

test('mounts look in inspect as those of dockerd', async () => {
  const { mounts, root } = await resolve({
    Binds: ['vol1:/v1', '/tmp/x:/v2:ro'],
    Mounts: [{ Type: 'tmpfs', Target: '/x' }],
  });
  // Read from dockerd 28.5.2 for the same request.
  assert.deepEqual(mounts.map(mountPoint), [
    {
      Type: 'volume',
      Name: 'vol1',
      Source: join(root, 'vol1/_data'),
      Destination: '/v1',
      Driver: 'local',
      Mode: 'z',
      RW: true,
      Propagation: '',
    },
    { Type: 'bind', Source: '/tmp/x', Destination: '/v2', Mode: 'ro', RW: false, Propagation: 'rprivate' },
    { Type: 'tmpfs', Source: '', Destination: '/x', Mode: '', RW: true, Propagation: '' },
  ]);
});

test("the image's volumes are made unless something else is mounted there", async () => {
  const { mounts, volumes } = await resolve(
    { Binds: ['/tmp:/a/'], Tmpfs: { '/b': '' } },
    { Volumes: { '/a': {}, '/b': {}, '/c/': {} } },
  );
  assert.deepEqual(
    mounts.map(mount => [mount.type, mount.destination, mount.anonymous, mount.copyUp]),
    [
      ['bind', '/a', false, false],
      ['volume', '/c', true, true],
    ],
  );
  assert.match(mounts[1]?.name ?? '', /^[0-9a-f]{64}$/);
  assert.equal(volumes.list().length, 1);
});

test('the mounts of another container are taken over, read-only when asked, and overridden by own ones', async () => {
  const { mounts: theirs } = await resolve({ Binds: ['data:/d', '/tmp:/t:ro', '/tmp:/u'] });
  const { mounts } = await resolve({ VolumesFrom: ['other:ro'], Binds: ['/var:/u'] }, {}, { other: theirs });
  assert.deepEqual(
    mounts.map(mount => [mount.destination, mount.source, mount.rw, mount.copyUp]),
    [
      ['/d', theirs[0]?.source, false, false],
      ['/t', '/tmp', false, false],
      ['/u', '/var', true, false],
    ],
  );
});

test('read-only reaches as far as the options say', async () => {
  const bind = (BindOptions: object) => ({ Type: 'bind', Source: '/tmp', Target: '/b', ReadOnly: true, BindOptions });
  const of = async (options: object) => (await resolve({ Mounts: [bind(options)] as HostConfig['Mounts'] })).mounts[0];
  assert.deepEqual((await of({}))?.bind, { nonRecursive: false, readOnly: 'best-effort' });
  assert.deepEqual((await of({ ReadOnlyNonRecursive: true }))?.bind, { nonRecursive: false, readOnly: 'top' });
  assert.deepEqual((await of({ ReadOnlyForceRecursive: true, NonRecursive: true }))?.bind, {
    nonRecursive: true,
    readOnly: 'recursive',
  });
});

test('a volume with o=bind shows its own directory, where its device is mounted while it is used', async () => {
  const options = { type: 'none', o: 'bind', device: '/srv' };
  const { mounts, root } = await resolve({
    Mounts: [
      {
        Type: 'volume',
        Source: 'bound',
        Target: '/b',
        VolumeOptions: { NoCopy: true, Subpath: 'sub', DriverConfig: { Name: 'local', Options: options } },
      },
    ],
  });
  assert.equal(mounts[0]?.source, join(root, 'bound/_data'));
  assert.equal(mounts[0]?.subpath, 'sub');
  assert.equal(mounts[0]?.copyUp, false);
});

test('an image is mounted by its id and shown by its name', async () => {
  const { mounts } = await resolve({
    Mounts: [{ Type: 'image', Source: 'known', Target: '/i', ImageOptions: { Subpath: 'etc' } }],
  });
  assert.deepEqual(mounts.map(mountPoint), [
    {
      Type: 'image',
      Name: 'known',
      Source: `sha256:${'cd'.repeat(32)}`,
      Destination: '/i',
      Mode: '',
      RW: false,
      Propagation: 'rprivate',
    },
  ]);
  await assert.rejects(resolve({ Mounts: [{ Type: 'image', Source: 'gone', Target: '/i' }] }), {
    kind: 'invalidParameter',
    message: 'invalid mount config for type "image": No such image: gone:latest',
  });
});

test('a bind that holds the data root does not keep alive what is unmounted there', async () => {
  const { mounts } = await resolve({
    Binds: ['/:/host', '/var/lib/gantry/x:/in', '/var:/both:rshared', '/srv:/other'],
  });
  assert.deepEqual(
    mounts.map(mount => mount.propagation),
    ['rslave', 'rslave', 'rshared', 'rprivate'],
  );
  await assert.rejects(resolve({ Binds: ['/:/host:private'] }), {
    message:
      'invalid mount config: must use either propagation mode "rslave" or "rshared" when mount source is within the daemon root, daemon root: "/var/lib/gantry", bind mount source: "/", propagation: "private"',
  });
});

// Each text and class was read from dockerd 28.5.2.
const REFUSED: [host: Partial<HostConfig>, kind: string, message: string][] = [
  [{ Binds: ['/tmp/x:/b', '/tmp/y:/b'] }, 'invalidParameter', 'Duplicate mount point: /b'],
  [{ Binds: ['/tmp/x:/b'], Tmpfs: { '/b': '' } }, 'invalidParameter', 'Duplicate mount point: /b'],
  [
    { Binds: ['/anon'], Mounts: [{ Type: 'bind', Source: '/tmp', Target: '/anon/' }] },
    'invalidParameter',
    'Duplicate mount point: /anon/',
  ],
  [{ Binds: ['/foo:/bar:zzz'] }, 'system', 'invalid mode: zzz'],
  [
    { Binds: ['a/b:/bar'] },
    'invalidParameter',
    'create a/b: "a/b" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path',
  ],
  [
    { Mounts: [{ Type: 'bind', Source: '/gantry-nope', Target: '/b' }] },
    'invalidParameter',
    'invalid mount config for type "bind": bind source path does not exist: /gantry-nope',
  ],
  [
    { VolumeDriver: 'nope', Binds: ['ab:/b'] },
    'notFound',
    'create ab: error looking up volume plugin nope: plugin "nope" not found',
  ],
  [{ VolumesFrom: ['nope'] }, 'invalidParameter', 'No such container: nope'],
  [{ VolumesFrom: ['nope:foo'] }, 'invalidParameter', 'invalid mode: foo'],
  [{ VolumesFrom: [''] }, 'invalidParameter', 'volumes-from specification cannot be an empty string'],
  [
    { Mounts: [{ Type: 'bind', Source: '/tmp', Target: '/b', BindOptions: { ReadOnlyNonRecursive: true } }] },
    'system',
    'mount options conflict: !ReadOnly && BindOptions.ReadOnlyNonRecursive',
  ],
];

for (const [host, kind, message] of REFUSED) {
  test(`mounts ${JSON.stringify(host)} are refused`, async () => {
    await assert.rejects(resolve(host), { kind, message });
  });
}
