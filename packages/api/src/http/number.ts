/** Why Go's strconv refuses a number; the message is its own. */
export class GoNumberError extends Error {}

/** strconv.Atoi. @throws GoNumberError */
export function atoi(text: string): number {
  if (!/^[+-]?\d+$/.test(text)) throw new GoNumberError('invalid syntax');
  const value = BigInt(text.startsWith('+') ? text.slice(1) : text);
  if (value > 0x7fff_ffff_ffff_ffffn || value < -0x8000_0000_0000_0000n) throw new GoNumberError('value out of range');
  return Number(value);
}

/** An unsigned 32-bit number as dockerd reads the sizes of terminals. @throws GoNumberError */
export function parseUint32(text: string): number {
  const negative = text.startsWith('-');
  const digits = negative ? text.slice(1) : text;
  if (!/^\d+$/.test(digits)) throw new GoNumberError('invalid syntax');
  if (negative || Number(digits) > 0xffff_ffff) throw new GoNumberError('value out of range');
  return Number(digits);
}
