import type { Step } from '@gantry/runtime';
import type { Endpoint, NetworkAttachment, NetworkRecord, PortRequest, RepublishRequest } from './face.ts';

export type AttachRequest = {
  readonly networkId: string;
  readonly containerId: string;
  /** The container's name without its slash, for messages. */
  readonly containerName?: string;
  readonly macAddress: string | undefined;
  readonly ipv4Address: string | undefined;
  readonly interfaceName: string;
  readonly ports: readonly PortRequest[];
  readonly isGateway?: boolean;
};

/** One kind of network. A driver has one instance a daemon, which serves all its networks. */
export interface NetworkDriver {
  readonly name: NetworkRecord['driver'];
  /** Makes what the host side needs, or takes over what is there; returns the record with what was chosen. */
  open(network: NetworkRecord): Promise<NetworkRecord>;
  /** Called once when all the networks that were kept are open. */
  begin?(): Promise<void>;
  /** Removes what `open` made. */
  remove?(network: NetworkRecord): Promise<void>;
  /** Compiles a container's steps; nothing is touched in the kernel. */
  attach(network: NetworkRecord, request: AttachRequest): Promise<NetworkAttachment>;
  /** As NetworkStack.containerSide. */
  containerSide?(endpoint: Endpoint, interfaceName: string, linkIndex: number, isGateway: boolean): readonly Step[];
  unplug?(endpoint: Endpoint): Promise<void>;
  /** As NetworkStack.republish; where it is missing, ports are not published at all. */
  republish?(endpoint: Endpoint, request: RepublishRequest): Promise<Endpoint>;
  resumePorts?(endpoint: Endpoint, shim: RepublishRequest['shim']): Promise<void>;
  /** Tidies up behind a container that runs now. */
  started(network: NetworkRecord, endpoint: Endpoint): Promise<void>;
  /** Undoes what the steps of `attach` made, and tolerates what is gone or never was. */
  detach(network: NetworkRecord, endpoint: Endpoint): Promise<void>;
  /** Notes an endpoint that was made before this daemon started. */
  adopt(network: NetworkRecord, endpoint: Endpoint): void;
  /** Removes what no endpoint owns and restores what is missing. */
  reconcile(): Promise<void>;
  /** Repairs what other programs broke since the last call; costs next to nothing when they did nothing. */
  check(): Promise<void>;
  close(): void;
}
