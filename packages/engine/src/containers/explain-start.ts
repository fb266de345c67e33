import { conflict, systemError } from '@gantry/errors';
import type { Job } from '@gantry/jobs';
import { type LaunchPlan, type LaunchTrace, printClone, printStep, type Step } from '@gantry/runtime';
import type { EngineContext } from '../context.ts';
import type { StartExplanation } from '../documents/index.ts';
import { describeJob } from '../system/jobs.ts';
import type { Container } from './container.ts';
import { startContainer } from './start.ts';

/** What a start leaves for its explanation. */
export type StartRecord = { job?: Job; plan?: LaunchPlan; trace?: LaunchTrace };

/**
 * Starts a container that does not run, and tells how: the engine's own spans, and each step of the launch plan with its time.
 * @throws what startContainer throws
 */
export async function explainStart(context: EngineContext, container: Container): Promise<StartExplanation> {
  const record: StartRecord = {};
  await startContainer(context, container, record);
  const { job, plan, trace } = record;
  if (!job || !plan)
    throw conflict(`container ${container.name} was started by somebody else`, { hint: 'stop it and start it again' });
  if (!trace) throw systemError(`container ${container.name} runs, but its shim could not record the start`);
  return { ...describeJob(job), Steps: [...executedSteps(plan, trace, clockOf(job))] };
}

type ExecutedStep = StartExplanation['Steps'][number];

/** From nanoseconds of CLOCK_MONOTONIC to milliseconds since the job's start. */
function clockOf(job: Job): (ns: bigint) => number {
  const startNs = process.hrtime.bigint() - BigInt(Math.round((performance.now() - job.startMs) * 1e6));
  return ns => Number(ns - startNs) / 1e6;
}

function* executedSteps(
  plan: LaunchPlan,
  trace: LaunchTrace,
  sinceStart: (ns: bigint) => number,
): Generator<ExecutedStep> {
  function* section(
    name: ExecutedStep['Section'],
    texts: readonly string[],
    beganNs: readonly bigint[],
    endNs: bigint,
  ): Generator<ExecutedStep> {
    for (const [index, text] of texts.entries()) {
      const AfterMs = sinceStart(beganNs[index] ?? 0n);
      yield { Section: name, Step: text, AfterMs, DurationMs: sinceStart(beganNs[index + 1] ?? endNs) - AfterMs };
    }
  }
  const texts = (steps: readonly Step[]): string[] => steps.map(printStep);
  yield* section('prepare', texts(plan.prepare), trace.prepareNs, trace.cloneNs);
  yield* section('clone', [printClone(plan)], [trace.cloneNs], trace.parentNs[0] ?? trace.parentEndNs);
  yield* section('parent', texts(plan.parent), trace.parentNs, trace.parentEndNs);
  yield* section('child', texts(plan.child), trace.childNs, trace.runningNs);
}
