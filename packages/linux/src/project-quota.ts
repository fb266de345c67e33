import { addressOf, check, libc, SystemCallError, syscall } from './ffi.ts';

/**
 * Project quotas: every file below a directory counts for a project, whose use of the disk is bounded.
 * ext4 (mounted with prjquota) and xfs (pquota) have them.
 * @see quotactl(2), FS_IOC_FSSETXATTR in ioctl_xfs_fsgetxattr(2)
 */
const ioctl = libc('int ioctl(int fd, unsigned long request, void *argument)');
const quotactl = libc('int quotactl(int command, const char *special, int id, void *address)');

const FS_IOC_FSGETXATTR = 0x801c581f;
const FS_IOC_FSSETXATTR = 0x401c5820;
/** What is made below inherits the project. */
const FS_XFLAG_PROJINHERIT = 0x200;
const FSXATTR_BYTES = 28;

const PRJQUOTA = 2;
const Q_XSETQLIM = 0x5804;
const Q_XGETQSTAT = 0x5805;
const SYS_QUOTACTL_FD = 443;
const FS_PROJ_QUOTA = 2;
const FS_DQ_BSOFT = 1 << 2;
const FS_DQ_BHARD = 1 << 3;
/** Bit of fs_quota_stat's qs_flags: limits of projects are enforced. */
const FS_QUOTA_PDQ_ENFD = 1 << 5;
const LIMIT_BLOCK_BYTES = 512;

const command = (what: number): number => (what << 8) | PRJQUOTA;

/** The project of a directory; 0 for none. @throws SystemCallError on a file system without projects */
export function projectOf(fd: number): number {
  const attributes = Buffer.alloc(FSXATTR_BYTES);
  check(ioctl(fd, FS_IOC_FSGETXATTR, attributes), 'ioctl(FS_IOC_FSGETXATTR)');
  return attributes.readUInt32LE(12);
}

/** Puts a directory, and all that will be made below it, into a project. @throws SystemCallError */
export function setProject(fd: number, project: number): void {
  const attributes = Buffer.alloc(FSXATTR_BYTES);
  check(ioctl(fd, FS_IOC_FSGETXATTR, attributes), 'ioctl(FS_IOC_FSGETXATTR)');
  attributes.writeUInt32LE((attributes.readUInt32LE(0) | FS_XFLAG_PROJINHERIT) >>> 0, 0);
  attributes.writeUInt32LE(project, 12);
  check(ioctl(fd, FS_IOC_FSSETXATTR, attributes), 'ioctl(FS_IOC_FSSETXATTR)');
}

/**
 * Bounds what a project may have on a file system; 0 takes the bound away.
 * @param device the block device's path, for kernels before 5.14, which cannot be told the file system by descriptor
 * @throws SystemCallError
 */
export function setProjectLimit(fd: number, device: string | undefined, project: number, limitBytes: number): void {
  const limits = Buffer.alloc(112);
  limits.writeInt8(1, 0);
  limits.writeInt8(FS_PROJ_QUOTA, 1);
  limits.writeUInt16LE(FS_DQ_BHARD | FS_DQ_BSOFT, 2);
  limits.writeUInt32LE(project, 4);
  const blocks = BigInt(Math.ceil(limitBytes / LIMIT_BLOCK_BYTES));
  limits.writeBigUInt64LE(blocks, 8);
  limits.writeBigUInt64LE(blocks, 16);
  quota(fd, device, Q_XSETQLIM, project, limits);
}

/** Whether the file system of a descriptor enforces limits of projects. */
export function enforcesProjectLimits(fd: number, device: string | undefined): boolean {
  const state = Buffer.alloc(128);
  try {
    quota(fd, device, Q_XGETQSTAT, 0, state);
  } catch {
    return false;
  }
  return (state.readUInt16LE(2) & FS_QUOTA_PDQ_ENFD) !== 0;
}

function quota(fd: number, device: string | undefined, what: number, id: number, data: Buffer): void {
  try {
    syscall('quotactl_fd', SYS_QUOTACTL_FD, fd, command(what), id, addressOf(data));
  } catch (error) {
    const isMissing = error instanceof SystemCallError && error.code === 'ENOSYS';
    if (device === undefined || !isMissing) throw error;
    check(quotactl(command(what), device, id, data), 'quotactl', device);
  }
}
