export type { PacketPath } from '@gantry/network';
export type { EngineDefaults, KernelFeatures } from './defaults.ts';
export { parseDetachKeys } from './detach-keys.ts';
export type * from './documents/index.ts';
export type * from './engine.ts';
export { openEngine } from './open.ts';
export type { DaemonInfo, EngineOptions } from './options.ts';
export { prepareAppArmor } from './system/apparmor.ts';
export { findKernelFeatures } from './system/kernel-features.ts';
