import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SystemCallError } from '../ffi.ts';
import { kill } from '../process.ts';
import { type CgroupPlan, limits } from './create.ts';
import { type CgroupLayout, cgroupDirectories, controllerDirectory } from './layout.ts';
import type { CgroupResources, CgroupWrite } from './resources.ts';

const FREEZE_TIMEOUT_MS = 10_000;
const REMOVE_TIMEOUT_MS = 5_000;

/** Makes a planned cgroup from this process (tests and tools; containers are made by their launch plan). */
export async function createCgroup(plan: CgroupPlan): Promise<void> {
  for (const directory of plan.directories) await mkdir(directory, { recursive: true });
  for (const write of plan.writes) await control(write);
}

async function control({ path, data, optional }: CgroupWrite): Promise<void> {
  try {
    // An existing file only: cgroups have no others, and a folder that is none should not grow one.
    await writeFile(path, data, { flag: 'r+' });
  } catch (error) {
    if (!(optional && codeOf(error) === 'ENOENT')) throw error;
  }
}

/** Brings new limits to a cgroup. @throws the file system's error, its path the control file */
export async function updateCgroup(layout: CgroupLayout, path: string, resources: CgroupResources): Promise<void> {
  const memory = layout.version === 1 ? controllerDirectory(layout, 'memory', path) : undefined;
  const writes = limits(layout, path, resources);
  const limit = resources.memory?.limit ?? 0;
  if (memory && limit !== 0) {
    // Memory may not pass memory and swap together: when it grows beyond, those are raised first.
    const both = join(memory, 'memory.memsw.limit_in_bytes');
    const current = await readFile(both, 'latin1').catch(() => undefined);
    if (current !== undefined && (limit === -1 || BigInt(limit) > BigInt(current.trim()))) {
      writes.sort((a, b) => Number(b.path === both) - Number(a.path === both));
    }
  }
  for (const write of writes) await control(write);
}

/** Stops every process of a cgroup where it is; resolves when all of them stand. @throws Error after 10 seconds */
export async function freeze(layout: CgroupLayout, path: string, signal?: AbortSignal): Promise<void> {
  await setFrozen(layout, path, true, signal);
}

/** Lets a frozen cgroup run on. */
export async function thaw(layout: CgroupLayout, path: string, signal?: AbortSignal): Promise<void> {
  await setFrozen(layout, path, false, signal);
}

async function setFrozen(layout: CgroupLayout, path: string, frozen: boolean, signal?: AbortSignal): Promise<void> {
  const directory = controllerDirectory(layout, 'freezer', path);
  if (directory === undefined) throw new Error('the freezer cgroup is not mounted');
  const v2 = layout.version === 2;
  const control = join(directory, v2 ? 'cgroup.freeze' : 'freezer.state');
  const wanted = v2 ? (frozen ? '1' : '0') : frozen ? 'FROZEN' : 'THAWED';
  const isThere = async () =>
    v2
      ? (await readFile(join(directory, 'cgroup.events'), 'latin1')).includes(`frozen ${wanted}`)
      : (await readFile(control, 'latin1')).trim() === wanted;
  const end = performance.now() + FREEZE_TIMEOUT_MS;
  await writeFile(control, wanted);
  for (let pauseMs = 1; !(await isThere()); pauseMs = Math.min(pauseMs * 2, 50)) {
    signal?.throwIfAborted();
    if (performance.now() > end) {
      // A half-frozen container would hang for good.
      if (frozen) await writeFile(control, v2 ? '0' : 'THAWED');
      throw new Error(`unable to ${frozen ? 'freeze' : 'thaw'} ${directory}`);
    }
    await delay(pauseMs);
    // Version 1 may miss a process that was being forked; asked again it looks again.
    if (!v2) await writeFile(control, wanted);
  }
}

/** Tells whether a cgroup is frozen. */
export async function isFrozen(layout: CgroupLayout, path: string): Promise<boolean> {
  const directory = controllerDirectory(layout, 'freezer', path);
  if (directory === undefined) return false;
  const text = await readFile(
    join(directory, layout.version === 2 ? 'cgroup.freeze' : 'freezer.state'),
    'latin1',
  ).catch(() => '');
  return layout.version === 2 ? text.trim() === '1' : text.trim() !== 'THAWED' && text !== '';
}

/** The processes in a cgroup and those below it; empty when it is gone. */
export async function readPids(layout: CgroupLayout, path: string): Promise<number[]> {
  const directory = processDirectory(layout, path);
  return directory === undefined ? [] : pidsBelow(directory);
}

async function pidsBelow(directory: string): Promise<number[]> {
  const text = await readFile(join(directory, 'cgroup.procs'), 'latin1').catch(() => '');
  const pids = text.split('\n').flatMap(line => (line === '' ? [] : [Number(line)]));
  for (const entry of await readdir(directory, { withFileTypes: true }).catch(() => [])) {
    if (entry.isDirectory()) pids.push(...(await pidsBelow(join(directory, entry.name))));
  }
  return pids;
}

/** The hierarchy in which processes are counted: every one of a container is in all of them. */
function processDirectory(layout: CgroupLayout, path: string): string | undefined {
  return (
    controllerDirectory(layout, 'pids', path) ??
    controllerDirectory(layout, 'freezer', path) ??
    cgroupDirectories(layout, path)[0]
  );
}

/** Kills every process in a cgroup and below it. Those that are forked meanwhile are caught by asking until none is left. */
export async function killAll(layout: CgroupLayout, path: string, signal?: AbortSignal): Promise<void> {
  if (layout.version === 2) {
    try {
      await writeFile(join(layout.mountPoint, path, 'cgroup.kill'), '1');
      return;
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      // Before 5.14, or the cgroup is gone: then there is nothing to read below either.
    }
  }
  const end = performance.now() + REMOVE_TIMEOUT_MS;
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, 50)) {
    const pids = await readPids(layout, path);
    if (pids.length === 0 || performance.now() > end) return;
    for (const pid of pids) {
      try {
        kill(pid, 9);
      } catch (error) {
        if (!(error instanceof SystemCallError && error.code === 'ESRCH')) throw error;
      }
    }
    // A frozen process of version 1 ends when it runs again.
    const freezer = layout.version === 1 ? controllerDirectory(layout, 'freezer', path) : undefined;
    if (freezer !== undefined) await writeFile(join(freezer, 'freezer.state'), 'THAWED').catch(() => {});
    signal?.throwIfAborted();
    await delay(pauseMs);
  }
}

/**
 * Removes a cgroup and those below it in every hierarchy. A process that is just ending keeps its cgroup busy for a
 * moment: this waits for it, up to 5 seconds.
 * @throws the file system's EBUSY when processes remain
 */
export async function removeCgroup(layout: CgroupLayout, path: string): Promise<void> {
  await Promise.all(cgroupDirectories(layout, path).map(removeTree));
}

async function removeTree(directory: string): Promise<void> {
  const end = performance.now() + REMOVE_TIMEOUT_MS;
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, 50)) {
    try {
      await rmdir(directory);
      return;
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ENOENT') return;
      if (code !== 'EBUSY' && code !== 'ENOTEMPTY') throw error;
      let below = 0;
      for (const entry of await readdir(directory, { withFileTypes: true }).catch(() => [])) {
        if (!entry.isDirectory()) continue;
        below++;
        await removeTree(join(directory, entry.name));
      }
      if (performance.now() > end) throw error;
      if (below === 0) await delay(pauseMs);
    }
  }
}

/** How often the kernel killed in this cgroup for want of memory; 0 when it is gone. */
export async function readOomKills(layout: CgroupLayout, path: string): Promise<number> {
  const directory = controllerDirectory(layout, 'memory', path);
  if (directory === undefined) return 0;
  const file = join(directory, layout.version === 2 ? 'memory.events' : 'memory.oom_control');
  const text = await readFile(file, 'latin1').catch(() => '');
  return Number(/^oom_kill (\d+)/m.exec(text)?.[1] ?? 0);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
