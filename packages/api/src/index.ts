export type { ApiLog } from './http/call.ts';
export { type ApiOptions, createApiServer } from './http/server.ts';
export { newestVersion, oldestVersion } from './http/version.ts';
