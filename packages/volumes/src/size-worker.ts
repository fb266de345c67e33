import { parentPort, workerData } from 'node:worker_threads';
import { treeSize } from '@gantry/linux';

for (const path of workerData as readonly string[]) parentPort?.postMessage(treeSize(path));
