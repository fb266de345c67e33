export type { EngineDefaults, KernelFeatures } from './defaults.ts';
export type * from './documents/index.ts';
export type * from './engine.ts';
export { openEngine } from './open.ts';
export type { DaemonInfo, EngineOptions } from './options.ts';
