export type * from './face.ts';
export { openVolumeStore } from './store.ts';
