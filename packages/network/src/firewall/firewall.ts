import type { Step } from '@gantry/runtime';
import type { BridgeDevice } from '../bridge-device.ts';
import type { Endpoint } from '../face.ts';

/** The rules of one daemon. */
export interface Firewall {
  /** Translates, protects and admits a bridge's containers. */
  addBridge(bridge: BridgeDevice & { readonly icc: boolean; readonly masquerade: boolean }): Promise<void>;
  /** Steps that publish an endpoint's IPv4 ports. */
  addPorts(endpoint: Endpoint): readonly Step[];
  /** Steps that undo `addPorts`, also when it never ran. */
  removePorts(endpoint: Endpoint): readonly Step[];
  /** Makes the rules what they must be with these endpoints. */
  restore(endpoints: readonly Endpoint[]): Promise<void>;
}
