import { workerData } from 'node:worker_threads';
import { copyTree } from './copy-tree.ts';

/** One copy: from a directory's descriptor into a directory by its path. */
export type CopyTask = { readonly source: number; readonly target: string };

const task = workerData as CopyTask;
copyTree(task.source, task.target);
