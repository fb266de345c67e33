/**
 * Packs the program of the image hello-world into an ordinary image archive, build/hello-world.tar: OCI layout and
 * Docker's manifest.json in one, the same bytes for the same program. Run by the build, after nothing else.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { digestOf, hostPlatform } from '@gantry/oci';
import { imageArchive } from '../src/archive/layout.ts';
import { endOfArchive, paddingAfter, plainHeader } from '../src/tar/writer.ts';
import { saveArchive } from '../src/worker/save-task.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
execFileSync('make', ['-s', '-C', here, 'build/hello'], { stdio: 'inherit' });

const program = readFileSync(`${here}build/hello`);
// A fixed date: the archive must not change when only the clock does.
const created = '2026-01-01T00:00:00Z';
const mtime = Date.parse(created) / 1000;
const layer = Buffer.concat([
  plainHeader({ name: 'hello', type: 'file', mode: 0o755, sizeBytes: program.length, mtime }),
  program,
  paddingAfter(program.length),
  endOfArchive(),
]);
const diffId = digestOf(layer);
const { architecture, os } = hostPlatform();
const config = Buffer.from(
  JSON.stringify({
    architecture,
    config: { Cmd: ['/hello'], WorkingDir: '/' },
    created,
    history: [
      { created, created_by: 'COPY hello /', comment: 'packages/images/hello-world' },
      { created, created_by: 'CMD ["/hello"]', empty_layer: true },
    ],
    os,
    rootfs: { type: 'layers', diff_ids: [diffId] },
  }),
);
const members = imageArchive([
  {
    configBytes: config,
    created: mtime,
    names: ['docker.io/library/hello-world:latest'],
    layers: [{ diffId, bytes: layer }],
  },
]);
const path = `${here}build/hello-world.tar`;
writeFileSync(`${path}.new`, Buffer.concat(Array.from(saveArchive(members), piece => Buffer.from(piece))));
renameSync(`${path}.new`, path);
