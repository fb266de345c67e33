import { GantryError } from '@gantry/errors';
import type { NetworkRecord } from './face.ts';

/** A network cannot go while containers are on it, or about to be; whoever knows their names says which. */
export class NetworkInUse extends GantryError {
  readonly users: readonly { readonly id: string; readonly containerId: string }[];

  constructor(network: NetworkRecord, users: NetworkInUse['users']) {
    const list = users.map(({ id, containerId }) => `name:"${containerId.slice(0, 12)}" id:"${id.slice(0, 12)}"`);
    super(
      'forbidden',
      `error while removing network: network ${network.name} has active endpoints (${list.join(', ')})`,
    );
    this.users = users;
  }
}
