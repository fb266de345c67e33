export type * from './face.ts';
export { type ImageStoreOptions, openImageStore } from './open-image-store.ts';
export { seedImages } from './seed.ts';
