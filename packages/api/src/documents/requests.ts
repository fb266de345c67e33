import {
  bool,
  int,
  list,
  map,
  pointer,
  type Schema,
  string,
  stringMap,
  strings,
  struct,
  uint,
} from '../json/schema.ts';
import { containerConfig } from './container-config.ts';
import { hostConfig } from './host-config.ts';

const endpointSettings = struct(
  'network.EndpointSettings',
  {},
  {
    IPAMConfig: pointer(
      struct('network.EndpointIPAMConfig', {}, { IPv4Address: string, IPv6Address: string, LinkLocalIPs: strings }),
    ),
    Links: strings,
    Aliases: strings,
    MacAddress: string,
    DriverOpts: stringMap,
    GwPriority: int,
    NetworkID: string,
    EndpointID: string,
    Gateway: string,
    IPAddress: string,
    IPPrefixLen: int,
    IPv6Gateway: string,
    GlobalIPv6Address: string,
    GlobalIPv6PrefixLen: int,
    DNSNames: strings,
  },
);

/** The body of `POST /containers/create`: the container's own settings, and two more documents beside them. */
export const createRequest = struct(
  'container.CreateRequest',
  {},
  {
    ...Object.fromEntries(Object.entries(containerConfig.fields).map(([name, field]) => [name, field.schema])),
    HostConfig: hostConfig,
    NetworkingConfig: struct('network.NetworkingConfig', {
      EndpointsConfig: map(pointer(endpointSettings), 'map[string]*network.EndpointSettings'),
    }),
  },
);

/** The body of `POST /containers/{id}/exec`. */
export const execOptions = struct(
  'container.ExecOptions',
  {
    User: string,
    Privileged: bool,
    Tty: bool,
    AttachStdin: bool,
    AttachStderr: bool,
    AttachStdout: bool,
    DetachKeys: string,
    Env: strings,
    WorkingDir: string,
    Cmd: strings,
  },
  { ConsoleSize: consoleSize() },
);

/** The body of `POST /exec/{id}/start`. */
export const execStartOptions = struct(
  'container.ExecStartOptions',
  { Detach: bool, Tty: bool },
  { ConsoleSize: consoleSize() },
);

/** The body of `POST /volumes/create`. */
export const volumeCreateOptions = struct(
  'volume.CreateOptions',
  {},
  { Name: string, Driver: string, DriverOpts: stringMap, Labels: stringMap, ClusterVolumeSpec: { kind: 'any' } },
);

/** The body of `POST /networks/create`. */
export const networkCreateRequest = struct(
  'network.CreateRequest',
  { Name: string, Driver: string },
  {
    CheckDuplicate: bool,
    Scope: string,
    EnableIPv4: pointer(bool),
    EnableIPv6: pointer(bool),
    IPAM: pointer(
      struct(
        'network.IPAM',
        {},
        {
          Driver: string,
          Options: stringMap,
          Config: list(
            struct(
              'network.IPAMConfig',
              {},
              { Subnet: string, IPRange: string, Gateway: string, AuxiliaryAddresses: stringMap },
            ),
            '[]network.IPAMConfig',
          ),
        },
      ),
    ),
    Internal: bool,
    Attachable: bool,
    Ingress: bool,
    ConfigOnly: bool,
    ConfigFrom: pointer(struct('network.ConfigReference', {}, { Network: string })),
    Options: stringMap,
    Labels: stringMap,
  },
);

/** The body of `POST /networks/{id}/connect`. */
export const networkConnectRequest = struct(
  'network.ConnectOptions',
  { Container: string },
  { EndpointConfig: pointer(endpointSettings) },
);

/** The body of `POST /networks/{id}/disconnect`. */
export const networkDisconnectRequest = struct('network.DisconnectOptions', { Container: string }, { Force: bool });

function consoleSize(): Schema {
  return pointer(list(uint, '[2]uint', 2));
}
