import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { messageOf, systemError } from '@gantry/errors';
import type { LocalMount } from './local-mount.ts';

/**
 * The kernel's network file systems take addresses, people write names: `addr=` of NFS and CIFS, and the host of a CIFS
 * share are looked up, as dockerd does, at each mount.
 * @throws systemError `error resolving passed in network volume address: ...`
 */
export async function withAddress(mount: LocalMount): Promise<LocalMount> {
  if (mount.type !== 'nfs' && mount.type !== 'cifs') return mount;
  const addr = /(?:^|,)addr=([^,]*)/.exec(mount.data)?.[1];
  if (addr !== undefined && addr !== '') {
    if (isIP(addr) !== 0) return mount;
    return { ...mount, data: mount.data.replace(`addr=${addr}`, `addr=${await addressOf(addr)}`) };
  }
  const share = /^\/\/([^/]+)(.*)$/s.exec(mount.device);
  if (mount.type !== 'cifs' || share?.[1] === undefined || isIP(share[1]) !== 0) return mount;
  return { ...mount, device: `//${await addressOf(share[1])}${share[2] ?? ''}` };
}

async function addressOf(host: string): Promise<string> {
  try {
    return (await lookup(host)).address;
  } catch (error) {
    const unknown = error instanceof Error && 'code' in error && error.code === 'ENOTFOUND';
    const reason = unknown ? `lookup ${host}: no such host` : messageOf(error);
    throw systemError(`error resolving passed in network volume address: ${reason}`, { cause: error });
  }
}
