import type { Container } from '../containers/container.ts';
import type { EngineContext } from '../context.ts';
import type { StatsDocument } from '../documents/stats.ts';
import { emptyStatsDocument, type Sample, statsDocument } from './document.ts';
import type { StatsSampler } from './sampler.ts';

/** Documents that a slow reader may leave unread; the oldest are dropped. */
const MAX_PENDING = 2;

/**
 * The samples of a container: one each second until abort or its removal; or one, which is compared with another taken
 * a second before, or with `oneShot` with none.
 */
export async function* containerStats(
  context: EngineContext,
  sampler: StatsSampler,
  container: Container,
  { stream, oneShot }: { readonly stream: boolean; readonly oneShot: boolean },
  signal: AbortSignal,
): AsyncGenerator<StatsDocument> {
  const names = () => ({ name: `/${container.name}`, id: container.id });
  if (!stream && (oneShot || !container.run)) {
    const sample = await sampler.sample(container);
    yield sample ? statsDocument(undefined, sample, undefined) : emptyStatsDocument(names());
    return;
  }
  const pending: (Sample | undefined)[] = [];
  let wake = (): void => {};
  using _ = sampler.listen(container, sample => {
    pending.push(sample);
    if (pending.length > MAX_PENDING) pending.shift();
    wake();
  });
  const onAbort = (): void => wake();
  signal.addEventListener('abort', onAbort);
  try {
    let previous: Sample | undefined;
    let isFirst = true;
    while (!signal.aborted && context.containers.get(container.id) === container) {
      if (pending.length === 0) {
        await new Promise<void>(resolve => {
          wake = resolve;
        });
        continue;
      }
      const sample = pending.shift();
      if (stream || !isFirst || !sample)
        yield sample ? statsDocument(names(), sample, previous) : emptyStatsDocument(names());
      if (!stream && (!isFirst || !sample)) return;
      isFirst = false;
      previous = sample;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
