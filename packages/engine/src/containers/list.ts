import type { EngineContext } from '../context.ts';
import type { ContainerSummary } from '../documents/index.ts';
import type { Filters } from '../engine.ts';
import { mountPoint } from '../spec/index.ts';
import type { Container } from './container.ts';
import { ContainerFilter } from './list-filter.ts';
import { endpointDocuments, portSummaries } from './network-documents.ts';
import { containerSizes } from './sizes.ts';

export type ListOptions = {
  readonly all: boolean;
  readonly limit: number;
  readonly size: boolean;
  readonly filters: Filters;
};

/** The containers that pass the filters, newest first. @throws invalidParameter for a filter that is not known or malformed */
export async function listContainers(context: EngineContext, options: ListOptions): Promise<ContainerSummary[]> {
  const filter = new ContainerFilter(context, options);
  const images = new Map<string, string>();
  const summaries: ContainerSummary[] = [];
  const candidates = [...context.containers.all()].sort((a, b) => (a.createdNs < b.createdNs ? 1 : -1));
  for (const container of candidates) {
    if (options.limit > 0 && summaries.length === options.limit) break;
    const verdict = filter.judge(container);
    if (verdict === 'stop') break;
    if (verdict === 'exclude') continue;
    const summary: ContainerSummary = {
      ...summarize(container),
      Names: [`/${container.name}`, ...linkNamesOf(context, container)],
      Image: shownImage(context, container, images),
      Status: container.statusText(),
      ...(options.size ? await shownSizes(context, container) : {}),
    };
    summaries.push(summary);
  }
  return summaries;
}

/** What those that link to it call it. */
function linkNamesOf(context: EngineContext, { id }: Container): string[] {
  return [...context.containers.linking(id)].flatMap(({ name, document }) =>
    (document.links ?? []).filter(link => link.id === id).map(({ alias }) => `/${name}/${alias}`),
  );
}

/** Docker leaves a size of 0 out. */
async function shownSizes(context: EngineContext, container: Container): Promise<Partial<ContainerSummary>> {
  const { SizeRw, SizeRootFs } = await containerSizes(context, container);
  return { ...(SizeRw === 0 ? {} : { SizeRw }), SizeRootFs };
}

/** What `ps` shows of a container; made anew only after a change of it. */
export function summarize(container: Container): ContainerSummary {
  if (container.summary) return container.summary;
  const { document } = container;
  const { hostConfig, config } = document;
  container.summary = {
    Id: document.id,
    Names: [`/${document.name}`],
    Image: config.Image,
    ImageID: document.imageId,
    Command: [document.path, ...document.args.map(arg => (arg.includes(' ') ? `'${arg}'` : arg))].join(' '),
    Created: Number(container.createdNs / 1_000_000_000n),
    Ports: portSummaries(container),
    Labels: config.Labels ?? {},
    State: container.status,
    Status: '',
    HostConfig: {
      NetworkMode: hostConfig.NetworkMode,
      ...(hostConfig.Annotations ? { Annotations: hostConfig.Annotations } : {}),
    },
    NetworkSettings: { Networks: endpointDocuments(container) },
    Mounts: document.mounts.map(mountPoint),
  };
  return container.summary;
}

/** The name that the container was made from, or the image's id when the name means another image by now. */
function shownImage(context: EngineContext, { document }: Container, known: Map<string, string>): string {
  const name = document.config.Image;
  if (name === document.imageId) return name;
  let id = known.get(name);
  if (id === undefined) {
    try {
      id = context.options.images.get(name).id;
    } catch {
      id = '';
    }
    known.set(name, id);
  }
  return id === document.imageId ? name : document.imageId;
}
