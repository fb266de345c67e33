import { type Count, readCount } from './control-file.ts';
import { type CgroupLayout, controllerDirectory } from './layout.ts';
import { type BlockIOUsageV1, readBlockIO } from './v1/blkio-usage.ts';
import { readCpu as readCpuV1 } from './v1/cpu-usage.ts';
import { type MemoryUsageV1, readMemory as readMemoryV1 } from './v1/memory-usage.ts';
import { readCpu as readCpuV2 } from './v2/cpu-usage.ts';
import { readIO } from './v2/io-usage.ts';
import { type MemoryUsageV2, readMemory as readMemoryV2 } from './v2/memory-usage.ts';

export type CpuUsage = {
  readonly totalNs: number;
  readonly kernelNs: number;
  readonly userNs: number;
  /** Version 1 only. */
  readonly perCpuNs: readonly number[] | undefined;
  readonly periods: number;
  readonly throttledPeriods: number;
  readonly throttledNs: number;
};

export type BlockIOEntry = {
  readonly major: number;
  readonly minor: number;
  /** Empty where the kernel counts without a difference. */
  readonly operation: string;
  readonly value: number;
};

export type PidsUsage = { readonly current: Count; readonly limit: Count };

/** What a cgroup uses now; a controller that the machine has not got is undefined. */
export type CgroupUsage = { readonly cpu: CpuUsage; readonly pids: PidsUsage | undefined } & (
  | { readonly version: 1; readonly memory: MemoryUsageV1 | undefined; readonly blockIO: BlockIOUsageV1 | undefined }
  | { readonly version: 2; readonly memory: MemoryUsageV2; readonly blockIO: readonly BlockIOEntry[] }
);

/** Reads the counters of a cgroup; those of one that is gone are 0. */
export async function readUsage(layout: CgroupLayout, path: string): Promise<CgroupUsage> {
  const of = (controller: string): string | undefined => controllerDirectory(layout, controller, path);
  const pidsDirectory = of('pids');
  const pids = pidsDirectory === undefined ? undefined : readPids(pidsDirectory);
  if (layout.version === 2) {
    const directory = of('memory') ?? '';
    const [cpu, memory, blockIO] = await Promise.all([
      readCpuV2(directory),
      readMemoryV2(directory),
      readIO(directory),
    ]);
    return { version: 2, cpu, memory, blockIO, pids: await pids };
  }
  const memoryDirectory = of('memory');
  const blkio = of('blkio');
  const [cpu, memory, blockIO] = await Promise.all([
    readCpuV1(of('cpuacct'), of('cpu')),
    memoryDirectory === undefined ? undefined : readMemoryV1(memoryDirectory),
    blkio === undefined ? undefined : readBlockIO(blkio),
  ]);
  return { version: 1, cpu, memory, blockIO, pids: await pids };
}

async function readPids(directory: string): Promise<PidsUsage> {
  const [current, limit] = await Promise.all([readCount(directory, 'pids.current'), readCount(directory, 'pids.max')]);
  return { current, limit };
}
