import { netlink } from '@gantry/linux';
import type { NetworkDriver } from '../driver.ts';
import { macvlanMode } from '../parent-link.ts';
import { type SubInterfaceContext, subInterfaceDriver } from './sub-interface.ts';

/** Containers that are machines of their own, with MAC addresses of their own, on a link of the host. */
export function macvlanDriver(context: SubInterfaceContext): NetworkDriver {
  return subInterfaceDriver(
    {
      name: 'macvlan',
      create: (network, name, _mac, link) => netlink.createMacvlan(name, macvlanMode(network), link),
      // A link that is passed through has the address of its parent.
      ownMac: network => macvlanMode(network) !== 'passthru',
      routesIntoLink: () => false,
    },
    context,
  );
}
