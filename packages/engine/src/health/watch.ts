import type { Container, Run } from '../containers/container.ts';
import type { EngineContext } from '../context.ts';
import { nowNs } from '../time.ts';
import { type HealthCheck, healthCheckOf } from './check.ts';
import { nextDelayMs, takeResult } from './health.ts';
import { probe } from './probe.ts';

/** Timers take no more; it is 24 days. */
const LONGEST_MS = 0x7fff_ffff;

/** A run begins: nothing is known of its health yet. What the last run's probes said stays readable. */
export function beginHealth({ document, facts }: Container): void {
  if (healthCheckOf(document.config) === undefined) facts.health = undefined;
  else facts.health = { status: 'starting', failingStreak: 0, log: facts.health?.log ?? [] };
}

/** Probes a run until the disposal: one timer for the container, and only while no probe is under way. */
export function watchHealth(context: EngineContext, container: Container, run: Run): void {
  const check = healthCheckOf(container.document.config);
  if (!check || run.health || !container.facts.health) return;
  run.health = new HealthWatch(context, container, run, check);
}

/** No more probes: the run is paused, over, or left to the next engine. */
export function unwatchHealth(run: Run): void {
  run.health?.[Symbol.dispose]();
  run.health = undefined;
}

/** A run is over. Docker calls it unhealthy from then on. */
export function endHealth({ facts }: Container, run: Run | undefined): void {
  if (run) unwatchHealth(run);
  if (facts.health) facts.health.status = 'unhealthy';
}

class HealthWatch implements Disposable {
  readonly #context: EngineContext;
  readonly #container: Container;
  readonly #run: Run;
  readonly #check: HealthCheck;
  #timer: NodeJS.Timeout | undefined;
  #over = false;

  constructor(context: EngineContext, container: Container, run: Run, check: HealthCheck) {
    this.#context = context;
    this.#container = container;
    this.#run = run;
    this.#check = check;
    this.#wait();
  }

  #wait(): void {
    const { health, startedNs = '0' } = this.#container.facts;
    if (!health) return;
    const delayMs = nextDelayMs(health, this.#check, BigInt(startedNs), nowNs());
    this.#timer = setTimeout(() => void this.#probe(), Math.min(delayMs, LONGEST_MS));
  }

  async #probe(): Promise<void> {
    const context = this.#context;
    const container = this.#container;
    const result = await probe(context, container, this.#run, this.#check);
    const { health, startedNs = '0' } = container.facts;
    // Of a run that ended under it, or was paused, a probe says nothing.
    if (this.#over || !health) return;
    if (takeResult(health, this.#check, result, BigInt(startedNs))) {
      container.summary = undefined;
      context.containerEvent(container, `health_status: ${health.status}`);
      void context.inBackground(`save ${container.id}`, context.storage.saveFacts(container));
    }
    this.#wait();
  }

  [Symbol.dispose](): void {
    this.#over = true;
    clearTimeout(this.#timer);
  }
}
