export { addAddress, deleteAddress, getAddresses, type InterfaceAddress, parseAddress } from './address.ts';
export { deleteConnection, getUdpConnections, parseUdpConnection, type TrackedConnection } from './conntrack.ts';
export { describeMessages } from './describe.ts';
export {
  closeBridgePort,
  createBridge,
  createVeth,
  deleteLink,
  formatMac,
  getLink,
  type Link,
  type LinkRef,
  type LinkSettings,
  moveLink,
  parseLink,
  parseMac,
  setBridgePort,
  setLink,
  type TargetNamespace,
  withoutLinkLocal,
} from './link.ts';
export { type Attribute, type Encoded, encode, type Message, NetlinkFlag, NetlinkProtocol } from './message.ts';
export { deleteNeighbor, setNeighbor } from './neighbor.ts';
export { attributeList, attributeText, errnoOf, type ParsedMessage, parseAttributes, parseMessages } from './parse.ts';
export { addRoute, deleteRoute, getRoutes, parseRoute, type Route, replaceAddressRoute } from './route.ts';
export { NetlinkSocket } from './socket.ts';
export {
  createDummy,
  createIpvlan,
  createMacvlan,
  createVlan,
  type IpvlanFlag,
  type IpvlanMode,
  type MacvlanMode,
  type StackedLink,
} from './stacked-link.ts';
