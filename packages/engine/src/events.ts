import { familiarName, parseReference } from '@gantry/oci';
import type { EventMessage } from './documents/index.ts';
import type { Events, Filters } from './engine.ts';
import { matchesExactly, matchesPairs, matchesPrefix } from './filters.ts';
import { nowNs } from './time.ts';

/** Events kept for `since`. */
const KEPT = 256;
/** Events that may wait for one reader; a reader that falls behind further is ended. */
const QUEUE_LIMIT = 4096;

type Subscriber = {
  readonly filters: Filters;
  readonly queue: EventMessage[];
  ended: boolean;
  wake: () => void;
};

/** What happened lately, and who wants to hear what happens next. */
export class EventLog implements Events {
  readonly #kept: EventMessage[] = [];
  readonly #subscribers = new Set<Subscriber>();

  /** Number of readers, for `info`. */
  get listeners(): number {
    return this.#subscribers.size;
  }

  publish(type: EventMessage['Type'], action: string, id: string, attributes: Record<string, string>): void {
    const timeNano = nowNs();
    const event: EventMessage = {
      ...(type === 'container' ? { status: action, id, from: attributes.image ?? '' } : {}),
      ...(type === 'image' ? { status: action, id } : {}),
      Type: type,
      Action: action,
      Actor: { ID: id, Attributes: attributes },
      scope: 'local',
      time: Number(timeNano / 1_000_000_000n),
      timeNano,
    };
    this.#kept.push(event);
    if (this.#kept.length > KEPT) this.#kept.shift();
    for (const subscriber of this.#subscribers) {
      if (!includesEvent(subscriber.filters, event)) continue;
      if (subscriber.queue.length >= QUEUE_LIMIT) {
        subscriber.ended = true;
        this.#subscribers.delete(subscriber);
      } else {
        subscriber.queue.push(event);
      }
      subscriber.wake();
    }
  }

  subscribe(
    options: { sinceNs?: bigint; untilNs?: bigint; filters: Filters },
    signal: AbortSignal,
  ): AsyncIterable<EventMessage> {
    const { sinceNs, untilNs, filters } = options;
    const replay = sinceNs !== undefined || untilNs !== undefined;
    const past = (event: EventMessage): boolean =>
      event.timeNano >= (sinceNs ?? 0n) && (untilNs === undefined || event.timeNano <= untilNs);
    const subscriber: Subscriber = {
      filters,
      queue: replay ? this.#kept.filter(event => past(event) && includesEvent(filters, event)) : [],
      ended: signal.aborted,
      wake: () => {},
    };
    const end = (): void => {
      subscriber.ended = true;
      this.#subscribers.delete(subscriber);
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      subscriber.wake();
    };
    let timer: NodeJS.Timeout | undefined;
    const remainingMs = untilNs === undefined ? undefined : Number((untilNs - nowNs()) / 1_000_000n);
    if (remainingMs !== undefined && remainingMs <= 0) subscriber.ended = true;
    if (!subscriber.ended) {
      this.#subscribers.add(subscriber);
      if (remainingMs !== undefined) timer = setTimeout(end, Math.min(remainingMs, 0x7fff_ffff));
      signal.addEventListener('abort', end);
    }
    return read(subscriber, end);
  }
}

async function* read(subscriber: Subscriber, end: () => void): AsyncGenerator<EventMessage> {
  try {
    for (;;) {
      for (let event = subscriber.queue.shift(); event; event = subscriber.queue.shift()) yield event;
      if (subscriber.ended) return;
      await new Promise<void>(resolve => {
        subscriber.wake = resolve;
      });
    }
  } finally {
    end();
  }
}

/** Actions with a text after a colon, which a filter gives without it. */
const FUZZY_ACTIONS = ['health_status', 'exec_create', 'exec_start'];

/** The types that a filter of the same name matches by id or name. */
const NAMED_TYPES = ['daemon', 'container', 'plugin', 'volume', 'network', 'node', 'service', 'secret', 'config'];

/** Whether `filters` let `event` pass. */
export function includesEvent(filters: Filters, event: EventMessage): boolean {
  if (filters.size === 0) return true;
  const { ID: id, Attributes: attributes } = event.Actor;
  const wanted = filters.get('event');
  const fuzzy = wanted !== undefined && FUZZY_ACTIONS.some(action => wanted.has(action));
  if (!(fuzzy ? matchesPrefix : matchesExactly)(filters, 'event', event.Action)) return false;
  if (!matchesExactly(filters, 'type', event.Type) || !matchesExactly(filters, 'scope', event.scope)) return false;
  for (const type of NAMED_TYPES) {
    if (
      filters.has(type) &&
      !matchesPrefix(filters, type, id) &&
      !matchesPrefix(filters, type, attributes.name ?? '')
    ) {
      return false;
    }
  }
  return matchesImage(filters, event) && matchesPairs(filters, 'label', attributes);
}

function matchesImage(filters: Filters, event: EventMessage): boolean {
  const wanted = filters.get('image');
  if (wanted === undefined || wanted.size === 0) return true;
  const id = event.Actor.ID;
  const name = event.Actor.Attributes[event.Type === 'image' ? 'name' : 'image'] ?? '';
  return wanted.has(id) || wanted.has(name) || wanted.has(withoutTag(id)) || wanted.has(withoutTag(name));
}

function withoutTag(image: string): string {
  try {
    return familiarName(parseReference(image));
  } catch {
    return image;
  }
}
