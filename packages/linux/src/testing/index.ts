export { inOwnNetwork } from './own-network.ts';
export { type Datagram, datagramFrame, PacketSocket } from './packet-socket.ts';
