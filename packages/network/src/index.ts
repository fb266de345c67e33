export { NetworkOption } from './bridge-options.ts';
export { interfaceSysctlPath } from './container-link.ts';
export { Resolver, type ResolverZone } from './dns/resolver.ts';
export { RESOLVER_ADDRESS, resolverSocketSteps } from './dns/sockets.ts';
export type * from './face.ts';
export { NetworkInUse } from './network-in-use.ts';
export { isLinkName } from './network-options.ts';
export { parsePrefix, prefixContains } from './prefix.ts';
export { openNetworkStack } from './stack.ts';
