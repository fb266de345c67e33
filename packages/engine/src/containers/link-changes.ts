import { readFile, writeFile } from 'node:fs/promises';
import { systemError } from '@gantry/errors';
import type { Endpoint } from '@gantry/network';
import type { EngineContext } from '../context.ts';
import type { Container } from './container.ts';
import { linkedPorts, linkNames, replaceLinkHosts } from './links.ts';

/**
 * Where the default bridge keeps its containers apart: opens the ports of those that `container` links to, as they run now,
 * and no others. Nothing where it is not on that bridge.
 */
export async function openLinks(context: EngineContext, container: Container, gone?: Container): Promise<void> {
  if (!container.document.links?.length) return;
  const endpoint = onDefaultBridge(container);
  if (endpoint) await context.options.networks.link(endpoint, linkedPorts(context, container, gone));
}

/** The same for all that link to a container which came up, or got onto or off the bridge, or is `gone`. Failures are logged. */
export async function openToLinking(context: EngineContext, child: Container, gone = false): Promise<void> {
  for (const parent of context.containers.linking(child.id)) {
    const opened = openLinks(context, parent, gone ? child : undefined);
    await context.inBackground(`open the links of ${parent.id}`, opened);
  }
}

function onDefaultBridge({ facts }: Container): Endpoint | undefined {
  return facts.run?.endpoints.find(({ networkName }) => networkName === 'bridge');
}

/** A container came up, maybe with another address: those that link to it and run learn of it in their /etc/hosts. */
export async function tellLinking(context: EngineContext, child: Container): Promise<void> {
  const endpoint = child.run?.facts.endpoints.find(({ networkName }) => networkName === 'bridge');
  if (!endpoint) return;
  const addresses = [endpoint.ipv4?.address, endpoint.ipv6?.address].filter(address => address !== undefined);
  for (const parent of context.containers.linking(child.id)) {
    const path = parent.run && parent.facts.etc?.hosts;
    if (!path) continue;
    let text = await readFile(path, 'utf8');
    for (const { id, alias } of parent.document.links ?? []) {
      if (id === child.id) text = replaceLinkHosts(text, alias, addresses, linkNames(alias, child));
    }
    // In place, since the file itself is mounted in the container.
    await writeFile(path, text);
  }
}

/** Takes a link `PARENT/ALIAS` away. @throws systemError in dockerd's words */
export async function removeLink(context: EngineContext, child: Container, ref: string): Promise<void> {
  const [, parentName = '', alias = ''] = /^\/?(.*)\/([^/]*)$/.exec(ref) ?? [];
  if (parentName === '') throw systemError('Conflict, cannot remove the default link name of the container');
  const parent = context.containers.byName(parentName);
  if (!parent) throw systemError(`Cannot get parent /${parentName} for link name /${parentName}/${alias}`);
  const { document } = parent;
  document.links = (document.links ?? []).filter(link => link.id !== child.id || link.alias !== alias);
  context.containers.relink(parent);
  const endpoint = onDefaultBridge(parent);
  if (endpoint) await context.options.networks.link(endpoint, linkedPorts(context, parent));
  await context.storage.updateDocument(parent);
  const path = parent.run && parent.facts.etc?.hosts;
  if (path) await writeFile(path, replaceLinkHosts(await readFile(path, 'utf8'), alias, [], ''));
}
