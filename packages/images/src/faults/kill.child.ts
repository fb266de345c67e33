/**
 * Loads, commits, imports and removes images without end in the folder of argv[2], and prints what is done: `+ID` and `-ID` after the
 * store has acknowledged it. The test kill.test.ts kills it.
 */
import { writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { StateStore } from '@gantry/store';
import { openImageStore } from '../open-image-store.ts';
import { imageOf, layerArchive } from './kill.images.ts';

const [, , root = ''] = process.argv;
const state = new StateStore(join(root, 'state.db'));
const store = await openImageStore({ root: join(root, 'images'), runDir: root, store: state });
const signal = new AbortController().signal;
for (let round = Math.floor(Math.random() * 3); ; round++) {
  const { archive, id } = imageOf(round % 3);
  const isThere = store.list().some(image => image.id === id);
  if (isThere) {
    // Said before too: a removal that was cut off may have happened or not.
    writeSync(1, `?${id}\n`);
    await store.delete(id, { noPrune: false });
    writeSync(1, `-${id}\n`);
  } else {
    await store.load(Readable.from([archive]), { platforms: [] }, () => {}, signal);
    writeSync(1, `+${id}\n`);
    await store.createContainerLayer(`c${round}`, id, { volatile: round % 2 === 0 });
    const root = store.containerRoot(`c${round}`);
    writeFileSync(`${root.kind === 'overlay' ? root.upper : root.path}/changed`, 'x'.repeat(5000));
    const config = {};
    const options = { parentId: id, config, author: '', comment: '', createdBy: '', own: [] };
    const committed = await store.commit(`c${round}`, options, signal);
    // Pruned at once, as an image without a name; what is left of it after a kill is whole, and without a name.
    await store.delete(committed.id, { noPrune: true });
    await store.removeContainerLayer(`c${round}`);
    const imported = await store.import(
      Readable.from([layerArchive(`imported${round % 5}`)]),
      { reference: undefined, message: '', config, platform: undefined },
      signal,
    );
    await store.delete(imported.id, { noPrune: true });
  }
}
