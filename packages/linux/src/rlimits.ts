/** Numbers of setrlimit(2) resources on x86-64 and arm64, by the name that OCI uses. */
export const RLIMITS: Readonly<Record<string, number>> = {
  RLIMIT_CPU: 0,
  RLIMIT_FSIZE: 1,
  RLIMIT_DATA: 2,
  RLIMIT_STACK: 3,
  RLIMIT_CORE: 4,
  RLIMIT_RSS: 5,
  RLIMIT_NPROC: 6,
  RLIMIT_NOFILE: 7,
  RLIMIT_MEMLOCK: 8,
  RLIMIT_AS: 9,
  RLIMIT_LOCKS: 10,
  RLIMIT_SIGPENDING: 11,
  RLIMIT_MSGQUEUE: 12,
  RLIMIT_NICE: 13,
  RLIMIT_RTPRIO: 14,
  RLIMIT_RTTIME: 15,
};

/** The number of a resource by its OCI name (`RLIMIT_NOFILE`) or Docker's (`nofile`); undefined when there is none. */
export function rlimitNumber(name: string): number | undefined {
  const upper = name.toUpperCase();
  return RLIMITS[upper.startsWith('RLIMIT_') ? upper : `RLIMIT_${upper}`];
}
