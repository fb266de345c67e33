import { parentPort } from 'node:worker_threads';
import { type CopyTask, copyTree } from './copy-tree.ts';

parentPort?.on('message', (task: CopyTask) => {
  try {
    copyTree(task);
    parentPort?.postMessage({});
  } catch (error) {
    parentPort?.postMessage({ reason: error instanceof Error ? error.message : String(error) });
  }
});
