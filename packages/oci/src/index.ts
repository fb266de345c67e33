export type * from './runtime-spec.ts';
