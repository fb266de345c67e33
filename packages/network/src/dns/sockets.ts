import type { Step } from '@gantry/runtime';

/** Where containers of user-defined networks ask for names, as in Docker. */
export const RESOLVER_ADDRESS = '127.0.0.11';

/** The steps, in `parent` or `Shim.hold`, that make the sockets of a container's resolver. */
export const resolverSocketSteps: readonly Step[] = (['udp', 'tcp'] as const).map(protocol => ({
  op: 'hostSocket',
  protocol,
  address: RESOLVER_ADDRESS,
  port: 53,
  inside: true,
}));
