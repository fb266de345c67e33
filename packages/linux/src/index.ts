export { describeErrno, errnoName, SystemCallError } from './ffi.ts';
export * as file from './file.ts';
export { ipBytes, ipText } from './ip-address.ts';
export * as netlink from './netlink/index.ts';
