export { describeErrno, errnoName, SystemCallError } from './ffi.ts';
