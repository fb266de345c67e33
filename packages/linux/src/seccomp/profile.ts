/** A resolved profile; the shape of OCI's linux.seccomp. */
export type FilterProfile = {
  readonly defaultAction: FilterAction;
  readonly defaultErrnoRet?: number;
  /** SCMP_ARCH_*; the machine's own is always among them. */
  readonly architectures: readonly string[];
  readonly syscalls: readonly FilterRule[];
};

export type FilterAction =
  | 'SCMP_ACT_KILL'
  | 'SCMP_ACT_KILL_PROCESS'
  | 'SCMP_ACT_KILL_THREAD'
  | 'SCMP_ACT_TRAP'
  | 'SCMP_ACT_ERRNO'
  | 'SCMP_ACT_TRACE'
  | 'SCMP_ACT_ALLOW'
  | 'SCMP_ACT_LOG'
  | 'SCMP_ACT_NOTIFY';

export type FilterOperator =
  | 'SCMP_CMP_NE'
  | 'SCMP_CMP_LT'
  | 'SCMP_CMP_LE'
  | 'SCMP_CMP_EQ'
  | 'SCMP_CMP_GE'
  | 'SCMP_CMP_GT'
  | 'SCMP_CMP_MASKED_EQ';

export type FilterArgument = {
  /** 0 to 5. */
  readonly index: number;
  /** What is compared with; for MASKED_EQ the mask. */
  readonly value: bigint;
  /** For MASKED_EQ what the masked argument must equal. */
  readonly valueTwo?: bigint;
  readonly op: FilterOperator;
};

export type FilterRule = {
  readonly names: readonly string[];
  readonly action: FilterAction;
  readonly errnoRet?: number;
  readonly args?: readonly FilterArgument[];
};

const EPERM = 1;

/** What a filter returns to the kernel for an action: SECCOMP_RET_*, and 16 bits of data. @see seccomp(2) */
export function returnValue(action: FilterAction, errno: number | undefined): number {
  const data = (errno ?? EPERM) & 0xffff;
  switch (action) {
    case 'SCMP_ACT_KILL':
    case 'SCMP_ACT_KILL_THREAD':
      return RET_KILL_THREAD;
    case 'SCMP_ACT_KILL_PROCESS':
      return 0x80000000;
    case 'SCMP_ACT_TRAP':
      return 0x00030000;
    case 'SCMP_ACT_ERRNO':
      return RET_ERRNO | data;
    case 'SCMP_ACT_NOTIFY':
      return 0x7fc00000;
    case 'SCMP_ACT_TRACE':
      return 0x7ff00000 | data;
    case 'SCMP_ACT_LOG':
      return 0x7ffc0000;
    case 'SCMP_ACT_ALLOW':
      return 0x7fff0000;
  }
}

export const RET_KILL_THREAD = 0;
export const RET_ERRNO = 0x00050000;
