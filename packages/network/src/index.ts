export { Resolver, type ResolverZone } from './dns/resolver.ts';
export { RESOLVER_ADDRESS, resolverSocketSteps } from './dns/sockets.ts';
export type * from './face.ts';
export { openNetworkStack } from './stack.ts';
