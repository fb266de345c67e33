export type * from './face.ts';
export { openVolumeStore } from './store.ts';
export type { HostRun } from './uses.ts';
