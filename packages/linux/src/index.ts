export { findAppArmorParser, loadAppArmorPolicy, loadedAppArmorProfile } from './apparmor.ts';
export {
  availableCapabilities,
  boundingSet,
  CAPABILITIES,
  capabilityBit,
  capabilityMask,
  capabilityNames,
  lastCapability,
} from './capabilities.ts';
export type { CgroupLayout, CgroupResources } from './cgroup/index.ts';
export * as cgroup from './cgroup/index.ts';
export { DatagramBatch } from './datagram-batch.ts';
export { deviceNumber, splitDeviceNumber } from './device-number.ts';
export { describeErrno, errnoName, SystemCallError } from './ffi.ts';
export * as file from './file.ts';
export { closeDescriptor, duplicate, owned, pidfdOpen, pidfdSendSignal } from './file-descriptor.ts';
export { lockFile } from './file-lock.ts';
export { openInRoot, readFileInRoot, resolveInRoot, statInRoot } from './in-root.ts';
export { ipBytes, ipText } from './ip-address.ts';
export {
  hasAppArmor,
  hasMountSetattr,
  hasNamespace,
  hasSeccomp,
  type KernelVersion,
  kernelAtLeast,
  kernelVersion,
  parseKernelVersion,
} from './kernel.ts';
export { type LegacyForward, legacyForward } from './legacy-tables.ts';
export { linkIndex } from './link-index.ts';
export {
  attachMount,
  attachMountOver,
  changeDetached,
  cloneMount,
  detachedBelow,
  mount,
  mountDetached,
  mountRoot,
  mountRootBeside,
  type RootMountSource,
  setMountAttributes,
  umount,
} from './mount.ts';
export * as flags from './mount-flags.ts';
export { type MountInfo, mountOf, parseMountInfo, readMountInfo } from './mountinfo.ts';
export * as netlink from './netlink/index.ts';
export * as nftables from './nftables/index.ts';
export { notifyServiceManager } from './notify-socket.ts';
export { type Datagram, datagramFrame, PacketSocket } from './packet-socket.ts';
export { probePort } from './port-probe.ts';
export { kill, processStartTime, RLIM_INFINITY, readLimit } from './process.ts';
export * as projectQuota from './project-quota.ts';
export { RLIMITS, rlimitNumber } from './rlimits.ts';
export * as seccomp from './seccomp/index.ts';
export { unblockSignal } from './signal-mask.ts';
export { SIGRTMAX, SIGRTMIN, signalName, signalNumber } from './signals.ts';
export { addSeals, keepAcrossExec, memoryFile, receiveDescriptors, sendDescriptors, socketPair } from './socket.ts';
export { type SysctlNamespace, sysctlDotted, sysctlNamespace, sysctlPath } from './sysctls.ts';
export { treeSize } from './tree-size.ts';
