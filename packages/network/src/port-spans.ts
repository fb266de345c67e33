import type { Endpoint, PublishedPort } from './face.ts';

/** Neighbouring published ports that lead to neighbouring ports of the container: `-p 8000-8999:8000-8999` is one. */
export type PortSpan = PublishedPort & { readonly count: number };

/** Published ports as few spans. Ports that are only opened, without one of the host, are joined too. */
export function portSpans(ports: readonly PublishedPort[]): PortSpan[] {
  const spans: (PublishedPort & { count: number })[] = [];
  for (const port of ports.toSorted(byPlace)) {
    const last = spans.at(-1);
    const joins =
      last !== undefined &&
      last.protocol === port.protocol &&
      last.hostIp === port.hostIp &&
      last.relayed === port.relayed &&
      last.containerPort + last.count === port.containerPort &&
      (last.hostPort === 0 ? port.hostPort === 0 : last.hostPort + last.count === port.hostPort);
    if (joins) last.count++;
    else spans.push({ ...port, count: 1 });
  }
  return spans;
}

function byPlace(a: PublishedPort, b: PublishedPort): number {
  if (a.protocol !== b.protocol) return a.protocol < b.protocol ? -1 : 1;
  if (a.hostIp !== b.hostIp) return a.hostIp < b.hostIp ? -1 : 1;
  return a.hostPort - b.hostPort || a.containerPort - b.containerPort;
}

/** Where a published address leads to: the container's address of the same family, else, by a relay, that of the other. */
export function targetOf(
  { ipv4, ipv6 }: Pick<Endpoint, 'ipv4' | 'ipv6'>,
  hostIp: string,
): { readonly address: string; readonly relayed: boolean } | undefined {
  const [same, other] = hostIp.includes(':') ? [ipv6, ipv4] : [ipv4, ipv6];
  if (same) return { address: same.address, relayed: false };
  return other && { address: other.address, relayed: true };
}
