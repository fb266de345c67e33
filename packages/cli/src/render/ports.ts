import type { PortSummary } from '@gantry/client';

/** `0.0.0.0:8080->80/tcp, 9000-9002/tcp`: ports as `ps` shows them, neighbours that map to themselves joined. */
export function displayPorts(ports: readonly PortSummary[]): string {
  const order = (port: PortSummary) => [port.PrivatePort, port.IP ?? '', port.PublicPort ?? 0, port.Type] as const;
  const sorted = ports.toSorted((a, b) => compare(order(a), order(b)));
  const groups = new Map<string, { first: number; last: number }>();
  const joined: string[] = [];
  const mapped: string[] = [];
  for (const port of sorted) {
    let key = port.Type;
    if (port.IP) {
      if (port.PublicPort !== port.PrivatePort) {
        mapped.push(`${hostPort(port.IP, String(port.PublicPort ?? 0))}->${port.PrivatePort}/${port.Type}`);
        continue;
      }
      key = `${port.IP}/${port.Type}`;
    }
    const group = groups.get(key);
    if (group && port.PrivatePort === group.last + 1) {
      group.last = port.PrivatePort;
      continue;
    }
    if (group) joined.push(groupText(key, group));
    groups.set(key, { first: port.PrivatePort, last: port.PrivatePort });
  }
  for (const [key, group] of groups) joined.push(groupText(key, group));
  return [...joined, ...mapped].join(', ');
}

/** `[::1]:80`. */
export function hostPort(host: string, port: string): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function groupText(key: string, { first, last }: { readonly first: number; readonly last: number }): string {
  const slash = key.indexOf('/');
  const range = first === last ? String(first) : `${first}-${last}`;
  if (slash < 0) return `${range}/${key}`;
  return `${hostPort(key.slice(0, slash), range)}->${range}/${key.slice(slash + 1)}`;
}

function compare(a: readonly (string | number)[], b: readonly (string | number)[]): number {
  for (const [at, left] of a.entries()) {
    const right = b[at] ?? 0;
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}
