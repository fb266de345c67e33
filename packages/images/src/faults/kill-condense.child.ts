/** Condenses the blobs of the store in argv[2], and waits then. The test of condense-blobs kills it. */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { StateStore } from '@gantry/store';
import { openImageStore } from '../open-image-store.ts';

const [, , root = ''] = process.argv;
const state = new StateStore(join(root, 'state.db'));
const store = await openImageStore({ root: join(root, 'images'), runDir: root, store: state });
writeSync(1, 'ready\n');
for (const digest of await store.blobsToCondense()) await store.condense(digest, new AbortController().signal);
setInterval(() => {}, 1000);
