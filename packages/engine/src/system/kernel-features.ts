import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type CgroupLayout, cgroup, hasNamespace, hasSeccomp } from '@gantry/linux';
import type { KernelFeatures } from '../defaults.ts';

/**
 * Finds what the kernel and its cgroups can do, by the files that they have.
 * @param apparmor what prepareAppArmor found
 */
export function findKernelFeatures(layout: CgroupLayout, apparmor: boolean): KernelFeatures {
  const has = (controller: string, file: string): boolean => {
    if (layout.version === 2) return layout.controllers.has(controller);
    const directory = cgroup.controllerDirectory(layout, controller, '/');
    return directory !== undefined && (file === '' || existsSync(join(directory, file)));
  };
  const v2 = layout.version === 2;
  const cpuset = cgroup.controllerDirectory(layout, 'cpuset', '/');
  const cpusetFile = (v1Name: string, v2Name: string): string =>
    cpuset === undefined ? '' : read(join(cpuset, v2 ? v2Name : v1Name));
  return {
    cgroupVersion: layout.version,
    cgroupNamespaces: hasNamespace('cgroup'),
    memoryLimit: has('memory', 'memory.limit_in_bytes'),
    memoryReservation: has('memory', 'memory.soft_limit_in_bytes'),
    swapLimit: v2
      ? layout.controllers.has('memory') && existsSync('/proc/swaps')
      : has('memory', 'memory.memsw.limit_in_bytes'),
    memorySwappiness: !v2 && has('memory', 'memory.swappiness'),
    oomKillDisable: !v2 && has('memory', 'memory.oom_control'),
    cpuShares: has('cpu', 'cpu.shares'),
    cpuCfs: has('cpu', 'cpu.cfs_quota_us'),
    cpuRealtime: !v2 && has('cpu', 'cpu.rt_runtime_us'),
    cpuset: has('cpuset', 'cpuset.cpus'),
    pidsLimit: has('pids', ''),
    blkioWeight: v2 ? layout.controllers.has('io') : layout.bfq || has('blkio', 'blkio.weight'),
    blkioThrottle: v2 ? layout.controllers.has('io') : has('blkio', 'blkio.throttle.read_bps_device'),
    seccomp: hasSeccomp(),
    apparmor,
    ipv4Forwarding: read('/proc/sys/net/ipv4/ip_forward') === '1',
    cpus: availableParallelism(),
    availableCpus: cpusetFile('cpuset.cpus', 'cpuset.cpus.effective'),
    availableMems: cpusetFile('cpuset.mems', 'cpuset.mems.effective'),
  };
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
