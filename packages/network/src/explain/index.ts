export type { PacketPath, PathEnd, PathRequest, PathStep } from './face.ts';
export { readTable } from './table.ts';
export { type PathState, tracePath } from './trace.ts';
