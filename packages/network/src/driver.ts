import type { Step } from '@gantry/runtime';
import type {
  Endpoint,
  Gateways,
  LinkedPort,
  NetworkAttachment,
  NetworkRecord,
  NetworkStack,
  RepublishRequest,
} from './face.ts';

export type AttachRequest = Parameters<NetworkStack['attach']>[0];

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
  containerSide?(endpoint: Endpoint, interfaceName: string, linkIndex: number, gateways: Gateways): readonly Step[];
  /** As NetworkStack.defaultRoutes. */
  defaultRoutes?(endpoint: Endpoint, linkIndex: number | undefined, gateways: Gateways): readonly Step[];
  /** What takes an endpoint's link from a container that runs on: steps on the host, then in the container's namespace. */
  unplug?(endpoint: Endpoint): { readonly host: readonly Step[]; readonly inside: readonly Step[] };
  /** As NetworkStack.republish; where it is missing, ports are not published at all. */
  republish?(endpoint: Endpoint, request: RepublishRequest): Promise<Endpoint>;
  /** As NetworkStack.link. */
  link?(endpoint: Endpoint, ports: readonly LinkedPort[]): Promise<void>;
  resumePorts?(endpoint: Endpoint, shim: RepublishRequest['shim']): Promise<void>;
  /** Tidies up behind a container that runs now; `pid` is a process in its network namespace. */
  started(network: NetworkRecord, endpoint: Endpoint, pid: number): Promise<void>;
  /** Undoes what the steps of `attach` made, and tolerates what is gone or never was. */
  detach(network: NetworkRecord, endpoint: Endpoint): Promise<void>;
  /** Notes an endpoint that was made before this daemon started. */
  adopt(network: NetworkRecord, endpoint: Endpoint): void;
  /** Removes what no endpoint owns and restores what is missing. */
  reconcile(): Promise<void>;
  /** Repairs what other programs broke since the last call; costs next to nothing when they did nothing. */
  check(): Promise<void>;
  close(): void | Promise<void>;
}
