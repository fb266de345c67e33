import type { GantryError } from '@gantry/errors';
import type { Launcher, LaunchFailure, Shim, Step } from '@gantry/runtime';
import type { StateStore } from '@gantry/store';
import type { PacketPath, PathRequest } from './explain/face.ts';

export type Protocol = 'tcp' | 'udp' | 'sctp';

/** One port of a container bound to host addresses; `hostPort` 0 asks for a free one. */
export type PortRequest = {
  readonly protocol: Protocol;
  readonly containerPort: number;
  /** Empty for all addresses of both families. */
  readonly hostIp: string;
  readonly hostPort: number;
  /** Upper end of a requested range (`-p 8000-8010:80`), else equal to hostPort. */
  readonly hostPortEnd: number;
};

export type PublishedPort = {
  readonly protocol: Protocol;
  readonly containerPort: number;
  readonly hostIp: string;
  /** 0 where the container's own address is open to the outside (gateway mode `routed`), and no port of the host stands for it. */
  readonly hostPort: number;
  /** Connections go through the shim, as a program of the host would take them, and so through the host's input rules. */
  readonly relayed?: true;
};

export type NetworkRecord = {
  readonly id: string;
  readonly name: string;
  readonly driver: DriverName;
  readonly createdAtMs: number;
  /** `local`; any other word is kept as it was given, and means nothing to a daemon on its own. */
  readonly scope: string;
  readonly enableIPv4: boolean;
  readonly enableIPv6: boolean;
  readonly internal: boolean;
  /** Of the families that are enabled; a bridge has one of each, links on top of another one may have several. */
  readonly subnets: readonly {
    readonly subnet: string;
    /** Empty where there is none: ipvlan's layer 3, internal macvlan, isolated bridges. */
    readonly gateway: string;
    /** Addresses are given out of this part of the subnet. */
    readonly ipRange?: string;
    /** Addresses that other machines have, by name. */
    readonly auxiliary?: Readonly<Record<string, string>>;
    /** What of this a person chose; the rest was chosen freely. */
    readonly asked?: 'subnet' | 'gateway';
  }[];
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly attachable?: boolean;
  /** Absent: the driver `default` without options. */
  readonly ipam?: { readonly driver: string; readonly options: Readonly<Record<string, string>> | null };
  /** A configuration that other networks are made from: nothing of it is in the kernel. */
  readonly configOnly?: true;
  /** The name of the configuration that this network was made from. */
  readonly configFrom?: string;
  /** Its bridge was there before and stays when the network is removed. */
  readonly borrowedLink?: true;
  /** Its parent (a VLAN, a dummy) was made for it, and goes with the last network that uses it. */
  readonly madeLink?: true;
};

export type DriverName = 'bridge' | 'host' | 'null' | 'macvlan' | 'ipvlan';

/** A container's place on a network while it runs. */
export type Endpoint = {
  readonly id: string;
  readonly networkId: string;
  readonly networkName: string;
  readonly containerId: string;
  readonly macAddress: string;
  /** `eth0`; absent where there is no link of its own. */
  readonly interfaceName?: string;
  readonly ipv4: { readonly address: string; readonly prefixLength: number; readonly gateway: string } | undefined;
  readonly ipv6: { readonly address: string; readonly prefixLength: number; readonly gateway: string } | undefined;
  readonly ports: readonly PublishedPort[];
  /** Its published ports are open at its own address too, for links that the network trusts. */
  readonly direct?: boolean;
  /** More addresses of the link that nobody administers. */
  readonly linkLocal?: readonly string[];
  /** Kernel settings of the link, as `net.ipv4.conf.eth0.log_martians=1`. */
  readonly sysctls?: readonly string[];
  /** Its container has chosen how TCP controls congestion. */
  readonly ownCongestion?: boolean;
};

/** A port of another container on the same network that is open to an endpoint, though the network keeps its containers apart. */
export type LinkedPort = { readonly address: string; readonly protocol: Protocol; readonly port: number };

/** What openNetworkStack needs beside the options of a user. */
export type NetworkStackOptions = NetworkOptions & {
  readonly store: StateStore;
  readonly launcher: Pick<Launcher, 'run'>;
  /** The daemon's run directory, which dies with the machine. */
  readonly runDir: string;
  /** Told about what could not be done but does not stop anything; default: silent. */
  readonly warn?: (message: string, error?: unknown) => void;
};

/** What a launch plan needs to give a container its network; each list goes to the part of LaunchPlan of that name. */
export type NetworkAttachment = {
  readonly endpoint: Endpoint;
  /** In the shim before clone: host sockets that hold the published ports. */
  readonly prepare: readonly Step[];
  /** In the shim after clone: the veth pair (peer directly in the child's namespace), the port elements of the firewall. */
  readonly parent: readonly Step[];
  /** In the child, after Barrier.parentDone, in its own namespace: loopback, addresses, routes. */
  readonly child: readonly Step[];
};

/** Settings of the default bridge, by dockerd's flags. */
export type DefaultBridgeOptions = {
  readonly ipv6?: boolean;
  /** `10.1.0.0/25`: containers have addresses of this part only. */
  readonly fixedCidr?: string;
  readonly fixedCidr6?: string;
  readonly bip6?: string;
  /** The containers' default routes, when not through the bridge itself. */
  readonly defaultGateway?: string;
  readonly defaultGateway6?: string;
  readonly mtu?: number;
  readonly icc?: boolean;
  readonly masquerade?: boolean;
  /** Where ports are published that name no address. */
  readonly hostBinding?: string;
};

export type NetworkOptions = {
  /** Name of the default bridge; `none` for no bridge. Default `gantry0`. */
  readonly bridge: string;
  /** Address of the default bridge as `10.1.0.1/24`; chosen freely when undefined. */
  readonly bip: string | undefined;
  /** More about the default bridge. */
  readonly defaultBridge?: DefaultBridgeOptions;
  /** Options for new networks by driver, which a request overrides. */
  readonly defaultNetworkOptions?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** What this host is known by; IPv6 subnets are made of it. */
  readonly hostId?: string;
  readonly iptables: boolean;
  readonly ipForward: boolean;
  /** Where the daemon itself turns forwarding on, it forwards for bridges only, unless this says otherwise. */
  readonly ipForwardNoDrop?: boolean;
  /** Published ports go through the host's input rules, by the shim. */
  readonly publishedPortsObeyInput?: boolean;
  readonly defaultAddressPools: readonly { readonly base: string; readonly size: number }[];
};

/** A subnet that a person asks for. */
export type AskedSubnet = {
  readonly subnet: string;
  readonly gateway?: string;
  readonly ipRange?: string;
  readonly auxiliary?: Readonly<Record<string, string>>;
};

/** What a person asks for in a new network. */
export type NetworkCreate = {
  readonly name: string;
  /** Default `bridge`. */
  readonly driver: string;
  readonly scope?: string;
  readonly internal: boolean;
  readonly attachable?: boolean;
  readonly ingress?: boolean;
  /** Default: on, unless the daemon or an option says otherwise. */
  readonly enableIPv4?: boolean;
  /** Default: off, unless the daemon or an option says otherwise. */
  readonly enableIPv6?: boolean;
  /** Default `default`. */
  readonly ipamDriver?: string;
  readonly ipamOptions?: Readonly<Record<string, string>> | null;
  readonly subnets: readonly AskedSubnet[];
  readonly configOnly?: boolean;
  readonly configFrom?: string;
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
};

/** Other published ports for a container that runs. */
export type RepublishRequest = {
  readonly containerName: string;
  /** All that were asked for before. */
  readonly before: readonly PortRequest[];
  /** All that are to be published, those that are already too. */
  readonly ports: readonly PortRequest[];
  readonly shim: Pick<Shim, 'hold' | 'release'>;
  /** Called when the ports are reserved, before anything is touched: writes down what is to be. */
  readonly intend: (endpoint: Endpoint) => Promise<void>;
};

/** Whether a network leads to the world for a container, by family. */
export type Gateways = { readonly ipv4: boolean; readonly ipv6: boolean };

/** Networks, endpoints and published ports of one daemon. */
export interface NetworkStack extends AsyncDisposable {
  /** Index of the first link that is made in a container's namespace; those after it have the next ones. */
  readonly firstLinkIndex: number;
  list(): readonly NetworkRecord[];
  /** By name, id or unambiguous id prefix. @throws notFound `network NAME not found` */
  get(ref: string): NetworkRecord;
  /**
   * Makes a network, durable when it resolves.
   * @returns the network, and what its user should know
   * @throws conflict (the name), forbidden (the subnet overlaps another network's), invalidParameter, unavailable
   */
  create(request: NetworkCreate): Promise<{ readonly network: NetworkRecord; readonly warning: string }>;
  /**
   * Removes a network made by a person. From the moment of the call no container gets onto it.
   * @throws NetworkInUse when containers are on it, or about to be
   */
  remove(networkId: string): Promise<void>;
  /**
   * Reserves an address and ports and compiles the steps; nothing is touched in the kernel yet.
   * @throws conflict (a port taken by another container), unavailable (no address left), invalidParameter
   */
  attach(request: {
    readonly networkId: string;
    readonly containerId: string;
    /** The container's name without its slash, for messages. */
    readonly containerName?: string;
    readonly macAddress: string | undefined;
    readonly ipv4Address: string | undefined;
    readonly ipv6Address?: string | undefined;
    readonly linkLocal?: readonly string[];
    readonly sysctls?: readonly string[];
    /** The container has its own `net.ipv4.tcp_congestion_control`. */
    readonly ownCongestion?: boolean;
    /** `eth0`, or whatever the container is to call it. */
    readonly interfaceName: string;
    /** How many links the container's namespace gets before this one, in the order of the parent steps; default: the number in the name. */
    readonly place?: number;
    readonly ports: readonly PortRequest[];
    /** Whether this network leads to the world; default: the first one does. */
    readonly gateways?: Gateways;
  }): Promise<NetworkAttachment>;
  /** The steps in the container's namespace, for an endpoint whose link turned out to have this index. */
  containerSide(endpoint: Endpoint, interfaceName: string, linkIndex: number, gateways: Gateways): readonly Step[];
  /** Steps that lead the default routes of a running container through this endpoint, in its namespace. */
  defaultRoutes(endpoint: Endpoint, linkIndex: number | undefined, gateways: Gateways): readonly Step[];
  /** Deletes the link of an endpoint from a container that runs on; `enter` leads into its network namespace. */
  unplug(endpoint: Endpoint, enter: readonly Step[]): Promise<void>;
  /**
   * To be called when the endpoint's container runs, whose first process is `pid`, or is adopted, and need not be waited for:
   * forgets UDP connections older than its ports, and keeps hold of what must be removed at its end. Never rejects.
   */
  started(endpoint: Endpoint, pid: number): Promise<void>;
  /**
   * Publishes other ports of a container that runs; connections to ports that stay are not touched, those to ports that go
   * are not cut off.
   * @returns the endpoint as it is now @throws system in Docker's words when a port cannot be had: all is as it was then
   */
  republish(endpoint: Endpoint, request: RepublishRequest): Promise<Endpoint>;
  /**
   * Opens exactly these ports of others to an endpoint, in place of those that were open to it; its own detach closes them.
   * For networks whose containers do not reach each other (icc off); on others it changes nothing. Known to this process alone.
   * @throws notImplemented without rules (`--iptables=false`), unavailable where the host does not forward
   */
  link(endpoint: Endpoint, ports: readonly LinkedPort[]): Promise<void>;
  /** Holds an endpoint's ports again, for a shim that let go of all after a change of them that was cut off. */
  resumePorts(endpoint: Endpoint, shim: Pick<Shim, 'hold' | 'release'>): Promise<void>;
  /**
   * The way of a packet that begins a connection over this machine, computed from its routes and rules as they are now.
   * Reads the kernel: for people, not for a hot path. `nameOf` gives a container's name for its id.
   */
  path(request: PathRequest, nameOf: (containerId: string) => string): PacketPath;
  /** Docker's error for a launch that failed at one of this endpoint's steps; undefined when the step is not of the network. */
  explain(endpoint: Endpoint, containerName: string, failure: LaunchFailure): GantryError | undefined;
  /** Gives address and ports back and removes what the parent steps made (its veth dies with the namespace). Tolerates what is gone. */
  detach(endpoint: Endpoint): Promise<void>;
  /** Takes over the endpoint of a container that ran on while the daemon was away. */
  adopt(endpoint: Endpoint): void;
  endpoints(networkId: string): readonly Endpoint[];
  /** Repairs rules that another program flushed or shadowed; runs by itself at each attach and every 10 seconds. Never rejects. */
  repair(): Promise<void>;
  /** Removes links and firewall elements that no adopted endpoint owns. */
  reconcile(): Promise<void>;
}
