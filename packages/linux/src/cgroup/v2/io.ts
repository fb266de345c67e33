import type { CgroupResources, ControlWrite, ThrottleRule } from '../resources.ts';

/**
 * Weights and throttles of block devices.
 * @param bfq the weight is taken by the BFQ scheduler (`io.bfq.weight`, 1 to 1000) instead of io.cost (`io.weight`)
 * @see admin-guide/cgroup-v2.rst, "IO"
 */
export function ioWrites({ blockIO }: CgroupResources, { bfq }: { bfq: boolean }): ControlWrite[] {
  if (!blockIO) return [];
  const writes: ControlWrite[] = [];
  if (blockIO.weight) {
    writes.push(
      bfq
        ? { file: 'io.bfq.weight', data: String(blockIO.weight) }
        : { file: 'io.weight', data: `default ${weightOfBlkio(blockIO.weight)}` },
    );
  }
  for (const { major, minor, weight } of blockIO.weightDevice ?? []) {
    writes.push(
      bfq
        ? { file: 'io.bfq.weight', data: `${major}:${minor} ${weight}` }
        : { file: 'io.weight', data: `${major}:${minor} ${weightOfBlkio(weight)}` },
    );
  }
  const limit = (key: string, rules: readonly ThrottleRule[] = []) => {
    for (const { major, minor, rate } of rules) {
      writes.push({ file: 'io.max', data: `${major}:${minor} ${key}=${rate}` });
    }
  };
  limit('rbps', blockIO.throttleReadBpsDevice);
  limit('wbps', blockIO.throttleWriteBpsDevice);
  limit('riops', blockIO.throttleReadIOPSDevice);
  limit('wiops', blockIO.throttleWriteIOPSDevice);
  return writes;
}

/** Brings version 1's weights, 10 to 1000, to version 2's, 1 to 10000. */
export function weightOfBlkio(weight: number): number {
  return 1 + Math.floor(((weight - 10) * 9999) / 990);
}
