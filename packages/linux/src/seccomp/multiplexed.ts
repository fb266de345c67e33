/** Calls that i386 also makes through socketcall(2), by the number that selects them. @see include/uapi/linux/net.h */
const SOCKETCALL: Readonly<Record<string, number>> = {
  socket: 1,
  bind: 2,
  connect: 3,
  listen: 4,
  accept: 5,
  getsockname: 6,
  getpeername: 7,
  socketpair: 8,
  send: 9,
  recv: 10,
  sendto: 11,
  recvfrom: 12,
  shutdown: 13,
  setsockopt: 14,
  getsockopt: 15,
  sendmsg: 16,
  recvmsg: 17,
  accept4: 18,
  recvmmsg: 19,
  sendmmsg: 20,
};

/** The same for ipc(2). @see include/uapi/linux/ipc.h */
const IPC: Readonly<Record<string, number>> = {
  semop: 1,
  semget: 2,
  semctl: 3,
  semtimedop: 4,
  msgsnd: 11,
  msgrcv: 12,
  msgget: 13,
  msgctl: 14,
  shmat: 21,
  shmdt: 22,
  shmget: 23,
  shmctl: 24,
};

/** The call through which i386 also reaches `name`, and its first argument for that. */
export function multiplexed(name: string): { readonly name: string; readonly selector: number } | undefined {
  const socket = SOCKETCALL[name];
  if (socket !== undefined) return { name: 'socketcall', selector: socket };
  const ipc = IPC[name];
  return ipc === undefined ? undefined : { name: 'ipc', selector: ipc };
}
