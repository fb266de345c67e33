export { describeErrno, errnoName, SystemCallError } from './ffi.ts';
export * as file from './file.ts';
