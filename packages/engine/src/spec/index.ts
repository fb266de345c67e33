export { type EtcFiles, internalResolvConfText } from './etc-files.ts';
export { type BuiltExec, buildExec, checkExecUser } from './exec.ts';
export { type BuiltLaunch, buildLaunch, type LaunchInput, sharedMemoryPath } from './launch.ts';
export { commandLine, type SpecContainer } from './model.ts';
export { type BindDetails, type ContainerMount, mountPoint } from './mount-model.ts';
export type { NamespaceJoins } from './namespaces.ts';
export { needsPopulate, populateVolumes } from './populate.ts';
export { resolveMounts } from './resolve-mounts.ts';
export { apparmorProfile, DEFAULT_APPARMOR_PROFILE } from './security.ts';
