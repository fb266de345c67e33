import { netlink } from '@gantry/linux';

import { StateStore } from '@gantry/store';
import type { Endpoint, NetworkStack, NetworkStackOptions, PortRequest } from '../face.ts';
import { openNetworkStack } from '../stack.ts';
import { routeStep } from '../step.ts';
import { runSteps } from './executor.ts';
import { Sandbox } from './sandbox.ts';

/** Host's address and its neighbour's on the link between them. */
export const HOST_ADDRESS = '192.0.2.1';
export const NEIGHBOR_ADDRESS = '192.0.2.2';

export type TestStack = { readonly stack: NetworkStack; readonly store: StateStore; readonly warnings: string[] };

/** A stack whose steps are run by this process, in the namespace of the test. */
export async function openTestStack(changes: Partial<NetworkStackOptions> = {}): Promise<TestStack> {
  const store = changes.store ?? new StateStore(':memory:');
  const warnings: string[] = [];
  const stack = await openNetworkStack({
    bridge: 'gantry0',
    bip: undefined,
    iptables: true,
    ipForward: true,
    defaultAddressPools: [],
    store,
    launcher: { run: async steps => runSteps(steps) },
    runDir: '/nonexistent',
    warn: (message, error) => warnings.push(`${message}: ${error}`),
    ...changes,
  });
  return { stack, store, warnings };
}

/** A container as far as its network goes. */
export type TestContainer = { readonly sandbox: Sandbox; readonly endpoint: Endpoint; readonly address: string };

/** Starts a sandbox and attaches it, as the shim would. Host sockets are not bound: rules alone must do. */
export async function startContainer(
  stack: NetworkStack,
  ports: readonly PortRequest[] = [],
  network = 'bridge',
  more: { readonly ownCongestion?: boolean } = {},
): Promise<TestContainer> {
  const sandbox = await Sandbox.start();
  const { endpoint, parent, child } = await stack.attach({
    networkId: stack.get(network).id,
    containerId: 'c'.repeat(64),
    containerName: 'test',
    macAddress: undefined,
    ipv4Address: undefined,
    interfaceName: 'eth0',
    ports,
    ...more,
  });
  runSteps(parent, sandbox.pid);
  await sandbox.run(child);
  return { sandbox, endpoint, address: endpoint.ipv4?.address ?? '' };
}

export function publish(containerPort: number, hostPort: number, changes: Partial<PortRequest> = {}): PortRequest {
  return { protocol: 'tcp', containerPort, hostIp: '', hostPort, hostPortEnd: hostPort, ...changes };
}

/** Makes a link from the host of the test to a machine beside it, which has no route to containers. */
export async function startNeighbor(): Promise<Sandbox> {
  const neighbor = await Sandbox.start();
  runSteps([
    routeStep([
      netlink.setLink({ index: 1 }, { up: true }),
      netlink.createVeth('wan', { up: true }, { name: 'lan', namespace: { pid: neighbor.pid } }),
    ]),
  ]);
  runSteps([routeStep([netlink.addAddress({ linkIndex: indexOf('wan'), address: HOST_ADDRESS, prefixLength: 24 })])]);
  await neighbor.run([
    routeStep([
      netlink.setLink({ index: 1 }, { up: true }),
      netlink.addAddress({ linkIndex: 2, address: NEIGHBOR_ADDRESS, prefixLength: 24 }),
      netlink.setLink({ index: 2 }, { up: true }),
    ]),
  ]);
  return neighbor;
}

export function indexOf(link: string): number {
  using socket = new netlink.NetlinkSocket(netlink.NetlinkProtocol.route);
  return socket.request([netlink.getLink({ name: link })]).map(netlink.parseLink)[0]?.index ?? 0;
}
