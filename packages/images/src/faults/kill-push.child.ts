/**
 * Pushes the images of the store in argv[2] to the registry argv[3] without end, each time to repositories that are new
 * there; prints `+NAME` when a push was acknowledged. The test kill-push.test.ts kills it.
 */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { StateStore } from '@gantry/store';
import { openImageStore } from '../open-image-store.ts';

const [, , root = '', host = '', round = ''] = process.argv;
const state = new StateStore(join(root, 'state.db'));
const store = await openImageStore({ root: join(root, 'images'), runDir: root, store: state });
const options = { platform: undefined, authorization: undefined };
const signal = new AbortController().signal;
writeSync(1, 'ready\n');
for (let n = 0; ; n++) {
  for (const kind of ['pulled', 'fresh']) {
    const name = `${host}/${kind}${round}-${n}:v1`;
    await store.tag(`${kind}:v1`, name);
    await store.push(name, options, () => {}, signal);
    writeSync(1, `+${name}\n`);
    await store.untag(name);
  }
}
