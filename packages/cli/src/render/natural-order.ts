/** Orders names as Docker's lists do: numbers in them count as numbers. */
export function naturalOrder(a: string, b: string): number {
  const parts = (text: string): string[] => text.match(/\d+|\D+/g) ?? [];
  const [as, bs] = [parts(a), parts(b)];
  for (let at = 0; at < Math.max(as.length, bs.length); at++) {
    const [one, other] = [as[at], bs[at]];
    if (one === undefined || other === undefined) return one === undefined ? -1 : 1;
    if (one === other) continue;
    const difference = /^\d/.test(one) && /^\d/.test(other) ? Number(one) - Number(other) : 0;
    return difference || (one < other ? -1 : 1);
  }
  return 0;
}
