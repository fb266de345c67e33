/**
 * Pulls images of the registry argv[3] and removes them, without end, in the folder of argv[2]; prints `+ID` and `-ID` when
 * the store has acknowledged it, and `?ID` before a removal. The test kill-pull.test.ts kills it.
 */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { StateStore } from '@gantry/store';
import { openImageStore } from '../open-image-store.ts';

const [, , root = '', host = ''] = process.argv;
const state = new StateStore(join(root, 'state.db'));
const store = await openImageStore({ root: join(root, 'images'), runDir: root, store: state });
const options = { platform: undefined, authorization: undefined };
const signal = new AbortController().signal;
writeSync(1, 'ready\n');
for (let round = Math.floor(Math.random() * 3); ; round++) {
  const name = `${host}/kill:v${round % 3}`;
  const there = store.list().find(image => image.repoTags.includes(name));
  if (there) {
    writeSync(1, `?${there.id}\n`);
    await store.delete(there.id, { noPrune: false });
    writeSync(1, `-${there.id}\n`);
  } else {
    writeSync(1, `+${(await store.pull(name, options, () => {}, signal)).id}\n`);
  }
}
