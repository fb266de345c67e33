import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { file } from '@gantry/linux';

/** CAP_NET_BIND_SERVICE, permitted and effective. @see struct vfs_cap_data */
const CAPABILITY = Buffer.from('0100000200040000000000000000000000000000', 'hex');

/** A tree with what archives get wrong: owners, times, links, holes, attributes, devices and names that are no UTF-8. */
export function makeDifficultTree(root: string): void {
  const at = (name: string): string => join(root, name);
  mkdirSync(at('bin'), { recursive: true });
  writeFileSync(at('bin/set-id'), 'text');
  chownSync(at('bin/set-id'), 1, 2);
  chmodSync(at('bin/set-id'), 0o6755);
  attribute(at('bin/set-id'), 'security.capability', CAPABILITY);
  attribute(at('bin'), 'user.note', Buffer.from('a value'));
  writeFileSync(at('bin/capable'), 'text');
  attribute(at('bin/capable'), 'security.capability', CAPABILITY);
  linkSync(at('bin/set-id'), at('bin/hard-link'));
  symlinkSync('../bin/set-id', at('bin/link'));
  symlinkSync('x'.repeat(300), at('bin/long-link'));
  writeFileSync(at('large-ids'), '');
  chownSync(at('large-ids'), 3_000_000, 4_000_000_000);
  writeFileSync(Buffer.concat([Buffer.from(`${root}/not-utf8-`), Buffer.from([0xff, 0xfe])]), 'name');
  const long = join(root, 'd'.repeat(200), 'e'.repeat(200));
  mkdirSync(long, { recursive: true });
  writeFileSync(join(long, 'f'.repeat(200)), 'deep');
  writeFileSync(at('sparse'), 'head');
  truncateSync(at('sparse'), 20_000_000);
  execFileSync('mknod', [at('null'), 'c', '1', '3']);
  execFileSync('mkfifo', [at('fifo')]);
  execFileSync('touch', ['-h', '-d', '2001-02-03T04:05:06.123456789Z', at('large-ids'), at('bin/link')]);
  utimesSync(at('fifo'), 1, 1);
  chmodSync(at('bin'), 0o1777);
}

function attribute(path: string, name: string, value: Buffer): void {
  const result = file.trySetAttributeAt(file.AT_FDCWD, file.byteString(path), name, value);
  if (result < 0) throw new Error(`${name} of ${path}: errno ${-result}`);
}

/** Every file below `root` with all that an archive carries of it, one a line, sorted; a hard link by its first name. */
export function describeTree(root: string): string[] {
  const lines: string[] = [];
  const first = new Map<bigint, string>();
  const walk = (fd: number, path: string): void => {
    for (const name of [...file.directoryNames(fd)].sort()) {
      const status = file.statusAt(fd, name);
      if (!status) continue;
      const full = `${path}/${name}`;
      const type = status.mode & file.S_IFMT;
      const known = type === file.S_IFDIR ? undefined : first.get(status.inode);
      if (known === undefined) first.set(status.inode, full);
      const attributes = file.attributesAt(fd, name).map(([key, value]) => `${key}=${value.toString('hex')}`);
      const { seconds, nanoseconds } = status.modification;
      const content =
        type === file.S_IFREG
          ? createHash('sha256')
              .update(readFileSync(Buffer.from(file.pathAt(fd, name), 'latin1')))
              .digest('hex')
              .slice(0, 12)
          : type === file.S_IFLNK
            ? file.readLinkAt(fd, name)
            : '';
      const device = type === file.S_IFCHR || type === file.S_IFBLK ? `${status.major}:${status.minor}` : '';
      lines.push(
        [
          full,
          known ?? '',
          status.mode.toString(8),
          status.uid,
          status.gid,
          `${seconds}.${nanoseconds}`,
          device,
          content,
          ...attributes.sort(),
        ].join(' '),
      );
      if (type === file.S_IFDIR) {
        const below = file.openAt(fd, name, file.O_RDONLY | file.O_DIRECTORY | file.O_NOFOLLOW);
        walk(below, full);
        file.closeDescriptor(below);
      }
    }
  };
  const fd = file.openAt(file.AT_FDCWD, file.byteString(root), file.O_RDONLY | file.O_DIRECTORY);
  walk(fd, '');
  file.closeDescriptor(fd);
  return lines;
}
