/** Which file a log file is or was: its own inode while it is not compressed, that of the original afterwards. */
export type Origin = { readonly inode: bigint; readonly modifiedNs: bigint };

/** What a compressed log file says of its original, so that it need not be decompressed to be passed over. */
export type Original = Origin & { readonly sizeBytes: number; readonly lines: number };

/** gzip with an extra field: fixed parts, its length, one subfield `Gl` of four 64-bit numbers. */
export const HEADER_BYTES = 48;
const SUBFIELD_BYTES = 32;
const FLAG_EXTRA = 4;
const UNIX = 3;

/** @see RFC 1952, section 2.3 */
export function encodeHeader({ inode, modifiedNs, sizeBytes, lines }: Original): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.set([0x1f, 0x8b, 8, FLAG_EXTRA], 0);
  header.writeUInt8(UNIX, 9);
  header.writeUInt16LE(SUBFIELD_BYTES + 4, 10);
  header.write('Gl', 12, 'latin1');
  header.writeUInt16LE(SUBFIELD_BYTES, 14);
  header.writeBigUInt64LE(inode, 16);
  header.writeBigUInt64LE(modifiedNs, 24);
  header.writeBigUInt64LE(BigInt(sizeBytes), 32);
  header.writeBigUInt64LE(BigInt(lines), 40);
  return header;
}

/** Undefined for what is no compressed log file of ours. */
export function decodeHeader(header: Buffer): Original | undefined {
  if (header.length < HEADER_BYTES || header.readUInt32BE(0) !== 0x1f8b0804) return undefined;
  if (header.toString('latin1', 12, 14) !== 'Gl' || header.readUInt16LE(14) !== SUBFIELD_BYTES) return undefined;
  return {
    inode: header.readBigUInt64LE(16),
    modifiedNs: header.readBigUInt64LE(24),
    sizeBytes: Number(header.readBigUInt64LE(32)),
    lines: Number(header.readBigUInt64LE(40)),
  };
}
