import { writeSync } from 'node:fs';
import { memoryFile } from '@gantry/linux';
import { encodeRequest, type NativeRequest } from '../plan/encode.ts';

/** A request in an anonymous file; the caller closes it. */
export function memoryRequest(request: NativeRequest): number {
  const bytes = encodeRequest(request);
  const fd = memoryFile('gantry-plan');
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
  return fd;
}
