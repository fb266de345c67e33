import { readFile, writeFile } from 'node:fs/promises';
import { systemError } from '@gantry/errors';
import type { EngineContext } from '../context.ts';
import type { Container } from './container.ts';
import { linkNames, replaceLinkHosts } from './links.ts';

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
  await context.storage.updateDocument(parent);
  const path = parent.run && parent.facts.etc?.hosts;
  if (path) await writeFile(path, replaceLinkHosts(await readFile(path, 'utf8'), alias, [], ''));
}
