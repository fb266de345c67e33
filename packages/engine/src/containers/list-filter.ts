import { invalidParameter, notFound, systemError } from '@gantry/errors';
import type { EngineContext } from '../context.ts';
import type { Filters } from '../engine.ts';
import { booleanFilter, checkFilters, matchesExactly, matchesPairs, matchesPattern } from '../filters.ts';
import type { Container } from './container.ts';
import { endpointDocuments, portSummaries } from './network-documents.ts';

const KEYS = new Set([
  'ancestor',
  'before',
  'exited',
  'id',
  'isolation',
  'label',
  'name',
  'status',
  'health',
  'since',
  'volume',
  'network',
  'is-task',
  'publish',
  'expose',
]);
const STATES = ['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead'];
const HEALTHS = ['none', 'starting', 'healthy', 'unhealthy'];

export type Verdict = 'include' | 'exclude' | 'stop';

/** The filters of `ps`, read once, asked for each container from the newest to the oldest. */
export class ContainerFilter {
  readonly #filters: Filters;
  readonly #all: boolean;
  readonly #exited: ReadonlySet<number>;
  readonly #images: ReadonlySet<string> | undefined;
  readonly #publish: ReadonlySet<string>;
  readonly #expose: ReadonlySet<string>;
  readonly #ids: ReadonlySet<string> | undefined;
  readonly #since: Container | undefined;
  /** Containers up to and including this one are left out; undefined once it was met. */
  #before: Container | undefined;

  constructor(
    context: EngineContext,
    { filters, all, limit }: { readonly filters: Filters; readonly all: boolean; readonly limit: number },
  ) {
    checkFilters(filters, KEYS);
    this.#filters = filters;
    this.#exited = new Set(values(filters, 'exited').map(exitCode));
    for (const status of values(filters, 'status')) checkOneOf('status', 'state', status, STATES);
    for (const health of values(filters, 'health')) checkOneOf('health', 'health', health, HEALTHS);
    this.#all = all || limit > 0 || values(filters, 'status').length > 0;
    booleanFilter(filters, 'is-task', false);
    this.#before = last(values(filters, 'before').map(ref => byIdOrName(context, ref)));
    this.#since = last(values(filters, 'since').map(ref => byIdOrName(context, ref)));
    this.#images = filters.has('ancestor') ? descendants(context, values(filters, 'ancestor')) : undefined;
    this.#publish = new Set(values(filters, 'publish').flatMap(value => portRange('publish', value)));
    this.#expose = new Set(values(filters, 'expose').flatMap(value => portRange('expose', value)));
    const ids = values(filters, 'id');
    this.#ids = ids.length === 0 ? undefined : new Set(ids.flatMap(id => byPrefix(context, id)));
  }

  judge(container: Container): Verdict {
    if (this.#before) {
      if (this.#before === container) this.#before = undefined;
      return 'exclude';
    }
    if (this.#since === container) return 'stop';
    if (!this.#all && !container.isUp) return 'exclude';
    return this.#matches(container) ? 'include' : 'exclude';
  }

  #matches(container: Container): boolean {
    const filters = this.#filters;
    if (filters.size === 0) return true;
    const { document, facts } = container;
    const name = container.name;
    if (!matchesPattern(filters, 'name', `/${name}`) && !matchesPattern(filters, 'name', name)) return false;
    if (this.#ids && !this.#ids.has(container.id)) return false;
    if (filters.has('is-task') && booleanFilter(filters, 'is-task', false)) return false;
    if (!matchesPairs(filters, 'label', document.config.Labels)) return false;
    if (
      this.#exited.size > 0 &&
      (container.isUp || facts.startedNs === undefined || !this.#exited.has(facts.exitCode))
    ) {
      return false;
    }
    if (!matchesPattern(filters, 'status', container.status)) return false;
    if (!matchesExactly(filters, 'health', container.facts.health?.status ?? 'none')) return false;
    if (filters.has('volume') && !values(filters, 'volume').some(value => usesVolume(container, value))) return false;
    if (this.#images && !this.#images.has(document.imageId)) return false;
    if (filters.has('network') && !values(filters, 'network').some(value => onNetwork(container, value))) return false;
    return this.#matchesPorts(container);
  }

  #matchesPorts(container: Container): boolean {
    if (this.#publish.size === 0 && this.#expose.size === 0) return true;
    return portSummaries(container).some(
      ({ PublicPort = 0, PrivatePort, Type }) =>
        this.#publish.has(`${PublicPort}/${Type}`) || this.#expose.has(`${PrivatePort}/${Type}`),
    );
  }
}

const values = (filters: Filters, key: string): string[] => [...(filters.get(key) ?? [])];

const last = <T>(list: readonly T[]): T | undefined => list[list.length - 1];

function exitCode(value: string): number {
  if (!/^[+-]?\d+$/.test(value)) {
    throw invalidParameter(`invalid filter 'exited=${value}': strconv.Atoi: parsing "${value}": invalid syntax`);
  }
  return Number(value);
}

function checkOneOf(key: string, kind: string, value: string, known: readonly string[]): void {
  if (known.includes(value)) return;
  throw invalidParameter(
    `invalid filter '${key}=${value}': invalid value for ${kind} (${value}): must be one of ${known.join(', ')}`,
  );
}

/** The full id or the full name; prefixes do not count here. */
function byIdOrName(context: EngineContext, ref: string): Container {
  const name = ref.replace(/^\//, '');
  let found: Container | undefined;
  try {
    found = context.containers.find(ref);
  } catch {
    found = undefined;
  }
  if (!found || (found.id !== ref && found.name !== name)) throw notFound(`No such container: ${ref}`);
  return found;
}

function byPrefix(context: EngineContext, ref: string): string[] {
  try {
    const { id } = context.containers.find(ref);
    return id.startsWith(ref) ? [id] : [];
  } catch {
    return [];
  }
}

/** Ids of the images of these names and of all that were built upon them. */
function descendants(context: EngineContext, ancestors: readonly string[]): Set<string> {
  const { images } = context.options;
  const found = new Set<string>();
  for (const ancestor of ancestors) {
    try {
      found.add(images.get(ancestor).id);
    } catch {
      // An image that does not exist has no containers.
    }
  }
  if (found.size === 0) return found;
  const list = images.list();
  for (let grown = true; grown; ) {
    grown = false;
    for (const { id, parentId } of list) {
      if (parentId === undefined || found.has(id) || !found.has(parentId)) continue;
      found.add(id);
      grown = true;
    }
  }
  return found;
}

/** In the words of Go's parser. */
function portProblem(range: string, first: string, end: string): string {
  const bad = [first, end].find(port => !/^\d+$/.test(port) || Number(port) > 65535);
  if (bad === undefined) return `Invalid range specified for the Port: ${range}`;
  return `strconv.ParseUint: parsing "${bad}": ${/^\d+$/.test(bad) ? 'value out of range' : 'invalid syntax'}`;
}

/** `80`, `80/udp` or `8000-8010` as keys. */
function portRange(key: string, value: string): string[] {
  if (value.includes(':')) throw systemError(`filter for '${key}' should not contain ':': ${value}`);
  const [range = '', protocol = 'tcp'] = value.split('/');
  const [first = '', end = first] = range.split('-');
  const from = Number(first);
  const to = Number(end);
  const valid = /^\d+$/.test(first) && /^\d+$/.test(end) && to <= 65535 && from <= to;
  if (!valid) throw systemError(`error while looking up for ${key} ${value}: ${portProblem(range, first, end)}`);
  return Array.from({ length: to - from + 1 }, (_, i) => `${from + i}/${protocol.toLowerCase()}`);
}

function usesVolume({ document }: Container, value: string): boolean {
  return document.mounts.some(({ name, source, destination }) => destination === value || (name ?? source) === value);
}

function onNetwork(container: Container, value: string): boolean {
  return Object.entries(endpointDocuments(container)).some(
    ([name, { NetworkID }]) => name === value || (NetworkID !== '' && NetworkID.startsWith(value)),
  );
}
