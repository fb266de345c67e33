import type { NetworkDriver } from '../driver.ts';
import type { Endpoint } from '../face.ts';
import { newId } from '../id.ts';

/** Containers in the host's own network namespace: nothing is made, ports are the program's own. */
export function hostDriver(): NetworkDriver {
  return {
    name: 'host',
    open: async network => network,
    attach: async (network, request) => {
      const endpoint: Endpoint = {
        id: newId(),
        networkId: network.id,
        networkName: network.name,
        containerId: request.containerId,
        macAddress: '',
        ipv4: undefined,
        ipv6: undefined,
        ports: [],
      };
      return { endpoint, prepare: [], parent: [], child: [] };
    },
    started: async () => {},
    detach: async () => {},
    adopt: () => {},
    reconcile: async () => {},
    check: async () => {},
    close: () => {},
  };
}
