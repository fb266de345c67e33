import type { CgroupResources, ControlWrite, ThrottleRule } from '../resources.ts';

/**
 * Weights and throttles of block devices, a write for each device.
 * @param bfq the weight files carry the scheduler's name (`blkio.bfq.weight`)
 * @see admin-guide/cgroup-v1/blkio-controller.rst
 */
export function blkioWrites({ blockIO }: CgroupResources, { bfq }: { bfq: boolean }): ControlWrite[] {
  if (!blockIO) return [];
  const writes: ControlWrite[] = [];
  const weight = bfq ? 'blkio.bfq.weight' : 'blkio.weight';
  if (blockIO.weight) writes.push({ file: weight, data: String(blockIO.weight) });
  for (const device of blockIO.weightDevice ?? []) {
    writes.push({ file: `${weight}_device`, data: `${device.major}:${device.minor} ${device.weight}` });
  }
  const throttle = (file: string, rules: readonly ThrottleRule[] = []) => {
    for (const { major, minor, rate } of rules) {
      writes.push({ file: `blkio.throttle.${file}`, data: `${major}:${minor} ${rate}` });
    }
  };
  throttle('read_bps_device', blockIO.throttleReadBpsDevice);
  throttle('write_bps_device', blockIO.throttleWriteBpsDevice);
  throttle('read_iops_device', blockIO.throttleReadIOPSDevice);
  throttle('write_iops_device', blockIO.throttleWriteIOPSDevice);
  return writes;
}
