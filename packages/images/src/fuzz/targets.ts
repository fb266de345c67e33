import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isGantryError } from '@gantry/errors';
import { SystemCallError } from '@gantry/linux';
import {
  formatReference,
  parseAnyReference,
  parseImageConfig,
  parseImageDocument,
  parsePlatform,
  parseReference,
} from '@gantry/oci';
import { rebuildLayer } from '../storage/rebuild-layer.ts';
import { endOfArchive, type PlainMember, paddingAfter, plainHeader } from '../tar/writer.ts';
import { LayerIntake } from '../unpack/layer-intake.ts';
import { mutate, type Random } from './random.ts';

/** What is fed with damaged input: it may refuse it with an error of ours, and must do nothing else. */
export type FuzzTarget = { readonly name: string; run(random: Random): void };

const MAX_MS = 5000;

/** Runs `work`; an error that is none of ours, or that takes too long, is a finding. */
function refuses(work: () => void): void {
  const began = performance.now();
  try {
    work();
  } catch (error) {
    // The kernel's refusal of a name or a number, with the call that it was.
    if (!isGantryError(error) && !(error instanceof SystemCallError)) throw error;
  }
  const took = performance.now() - began;
  assert.ok(took < MAX_MS, `took ${Math.round(took)} ms`);
}

const TAR_WORDS = [
  '../../../../escape',
  '/escape',
  '.wh.',
  '.wh...',
  '.wh..wh..opq',
  'GNU.sparse.major=1\n',
  '30 GNU.sparse.map=0,1,9999999,1\n',
  '99999999999 path=x\n',
  '14 size=-1000\n',
  '777777777777',
  '\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff',
  'ustar\x0000',
  'S',
  'x',
  'L',
  'K',
  'g',
  '1',
  '2',
  '3',
];

function archive(random: Random): Buffer {
  const members: (PlainMember & { readonly text?: string })[] = [
    { name: 'dir/', type: 'directory', mode: 0o755, sizeBytes: 0, mtime: 1 },
    { name: 'dir/file', type: 'file', mode: 0o4755, sizeBytes: 700, mtime: 1, text: 'x'.repeat(700) },
    { name: 'dir/hard', type: 'hardLink', mode: 0o644, sizeBytes: 0, mtime: 1, linkName: 'dir/file' },
    { name: 'dir/link', type: 'symlink', mode: 0o777, sizeBytes: 0, mtime: 1, linkName: '../../etc' },
    { name: 'dir/link/through', type: 'file', mode: 0o644, sizeBytes: 3, mtime: 1, text: 'abc' },
    { name: 'dir/.wh.gone', type: 'file', mode: 0o644, sizeBytes: 0, mtime: 1 },
    { name: `${'long/'.repeat(60)}name`, type: 'file', mode: 0o644, sizeBytes: 1, mtime: 1, text: 'y', uid: 2 ** 22 },
    {
      name: 'attributed',
      type: 'file',
      mode: 0o644,
      sizeBytes: 2,
      mtime: 1,
      text: 'zz',
      pax: new Map([
        ['SCHILY.xattr.user.a', 'b'],
        ['mtime', '1.5'],
      ]),
    },
  ];
  const chosen = members.filter(() => random.below(3) > 0);
  const parts = chosen.flatMap(member => {
    const body = Buffer.from(member.text ?? '');
    return [plainHeader(member), body, paddingAfter(body.length)];
  });
  return Buffer.concat([...parts, endOfArchive()]);
}

/** A header whose sum is right again, so that what was changed in it is read. */
function repairSums(bytes: Buffer): Buffer {
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    const block = bytes.subarray(at, at + 512);
    if (block.toString('latin1', 257, 262) !== 'ustar') continue;
    block.fill(' ', 148, 156);
    let sum = 0;
    for (const byte of block) sum += byte;
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  }
  return bytes;
}

const layerTarget: FuzzTarget = {
  name: 'the archive of a layer',
  run(random) {
    const folder = mkdtempSync(join(tmpdir(), 'gantry-fuzz-'));
    try {
      const directory = join(folder, 'deep/er/layer');
      const whole = archive(random);
      const bytes =
        random.below(2) === 0 ? mutate(whole, random, TAR_WORDS) : repairSums(mutate(whole, random, TAR_WORDS));
      refuses(() => {
        using intake = new LayerIntake(directory, 'difference', { maxEntries: 100, maxBytes: 1e6 });
        for (let at = 0; at < bytes.length; ) {
          const length = 1 + random.below(3000);
          intake.push(bytes.subarray(at, at + length));
          at += length;
        }
        const { diffId } = intake.finish();
        // What is taken comes back as it was.
        const back = Buffer.concat(Array.from(rebuildLayer(directory, diffId), piece => Buffer.from(piece)));
        assert.ok(back.equals(bytes), 'the archive does not come back bit for bit');
      });
      assert.deepEqual(readdirSync(folder), ['deep'], 'something was written outside of the layer');
      assert.deepEqual(readdirSync(join(folder, 'deep')), ['er']);
      assert.deepEqual(readdirSync(join(folder, 'deep/er')), ['layer']);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

const REFERENCES = [
  'busybox',
  'a.b:5000/c/d:tag',
  'x/y@sha256:',
  `localhost/a@sha256:${'0'.repeat(64)}`,
  'sha256:',
  'ABC',
];
const REFERENCE_WORDS = ['@', ':', '/', '..', '//', '__', '---', '[::1]:5000/', '\0', 'é', 'library/', 'a'.repeat(300)];

const referenceTarget: FuzzTarget = {
  name: 'a reference or a platform',
  run(random) {
    const text = mutate(Buffer.from(random.pick(REFERENCES)), random, REFERENCE_WORDS).toString('latin1');
    refuses(() => {
      const reference = parseReference(text);
      // What is taken has one form, which is read as the same again.
      const full = formatReference(reference);
      assert.equal(formatReference(parseReference(full)), full);
    });
    refuses(() => parseAnyReference(text));
    refuses(() => parsePlatform(text));
  },
};

const digest = `sha256:${'a'.repeat(64)}`;
const DOCUMENTS = [
  {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: 10 },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size: 10, annotations: { a: 'b' } }],
  },
  {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [
      {
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        digest,
        size: 7,
        platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
      },
    ],
  },
  {
    architecture: 'amd64',
    os: 'linux',
    config: { Env: ['A=b'] },
    rootfs: { type: 'layers', diff_ids: [digest] },
    history: [{}],
  },
];
const DOCUMENT_WORDS = [
  'null',
  '[]',
  '{}',
  '-1',
  '1e999',
  '"',
  '\\u0000',
  '__proto__',
  'layers',
  'manifests',
  '9007199254740993',
  ',',
];
const VALUES: readonly unknown[] = [null, [], {}, -1, 1.5, 2 ** 60, '', 'x', true, [[]], [null], digest];

/** A document in which one value is another kind of value. */
function changedValue(value: unknown, random: Random): unknown {
  if (typeof value !== 'object' || value === null || random.below(4) === 0) return random.pick(VALUES);
  const copy: Record<string, unknown> | unknown[] = Array.isArray(value) ? [...value] : { ...value };
  const key = random.pick(Object.keys(copy));
  if (key === undefined) return random.pick(VALUES);
  Reflect.set(copy, key, changedValue(Reflect.get(copy, key), random));
  return copy;
}

const documentTarget: FuzzTarget = {
  name: 'a manifest, an index or a configuration',
  run(random) {
    const document = random.pick(DOCUMENTS);
    const bytes =
      random.below(2) === 0
        ? mutate(Buffer.from(JSON.stringify(document)), random, DOCUMENT_WORDS)
        : Buffer.from(JSON.stringify(changedValue(document, random)));
    refuses(() => parseImageDocument(bytes));
    refuses(() => parseImageDocument(bytes, 'application/vnd.oci.image.index.v1+json'));
    refuses(() => parseImageConfig(bytes));
  },
};

export const targets: readonly FuzzTarget[] = [layerTarget, referenceTarget, documentTarget];
