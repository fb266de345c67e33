/**
 * Loads and removes images without end in the folder of argv[2], and prints what is done: `+ID` and `-ID` after the
 * store has acknowledged it. The test kill.test.ts kills it.
 */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { StateStore } from '@gantry/store';
import { openImageStore } from '../open-image-store.ts';
import { imageOf } from './kill.images.ts';

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
    await store.removeContainerLayer(`c${round}`);
  }
}
