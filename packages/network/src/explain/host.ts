import type { HostView } from '../host-view.ts';
import { parsePrefix, prefixContains, prefixOf } from '../prefix.ts';

/** How this machine would send a packet on. */
export type HostRoute = { readonly link: string; readonly gateway?: string; readonly source?: string };

/** The most specific route to an address; undefined where none leads. */
export function routeTo(view: HostView, address: string): HostRoute | undefined {
  const six = address.includes(':');
  const [best] = view.routes
    .filter(route => (route.family === 6) === six && route.linkIndex !== undefined)
    .filter(
      ({ destination }) =>
        !destination || prefixContains(prefixOf(destination.address, destination.prefixLength), address),
    )
    .toSorted((a, b) => (b.destination?.prefixLength ?? 0) - (a.destination?.prefixLength ?? 0));
  const link = best && view.links.find(({ index }) => index === best.linkIndex)?.name;
  if (!best || link === undefined) return undefined;
  return {
    link,
    ...(best.gateway === undefined ? {} : { gateway: best.gateway }),
    ...(best.preferredSource === undefined ? {} : { source: best.preferredSource }),
  };
}

/** The link that has an address of this machine. */
export function linkWith(view: HostView, address: string): string | undefined {
  if (address === '::1' || (!address.includes(':') && address.startsWith('127.'))) return 'lo';
  const owner = view.addresses.find(one => one.address === address)?.linkIndex;
  return view.links.find(({ index }) => index === owner)?.name;
}

/** An address of this machine by which others reach it. */
export function outerAddress(view: HostView, six: boolean): string | undefined {
  const route = routeTo(view, six ? '2001:db8::1' : '192.0.2.1');
  const index = view.links.find(({ name }) => name === route?.link)?.index;
  const onLink = view.addresses.filter(one => one.linkIndex === index && one.address.includes(':') === six);
  return route?.source ?? onLink.find(({ address }) => !address.startsWith('fe80'))?.address;
}

export const inSubnet = (cidr: string, address: string): boolean =>
  cidr.includes(':') === address.includes(':') && prefixContains(parsePrefix(cidr), address);
