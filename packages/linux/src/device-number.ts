/** The two halves of a device number (`st_rdev`) as Linux encodes it in 64 bits. @see makedev(3) */
export function splitDeviceNumber(rdev: number): { major: number; minor: number } {
  const device = BigInt(rdev);
  return {
    major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n)),
    minor: Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n)),
  };
}

/** One device number of two halves. */
export function deviceNumber(major: number, minor: number): bigint {
  const a = BigInt(major);
  const b = BigInt(minor);
  return (b & 0xffn) | ((a & 0xfffn) << 8n) | ((b & 0xffffff00n) << 12n) | ((a & 0xfffff000n) << 32n);
}
