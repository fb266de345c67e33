import { Duplex } from 'node:stream';
import { messageOf } from '@gantry/errors';
import type { Container, Run } from '../containers/container.ts';
import type { EngineContext } from '../context.ts';
import { createExec } from '../exec/create.ts';
import { runExec } from '../exec/start.ts';
import { nowNs } from '../time.ts';
import { timeout } from '../timeout.ts';
import { goDuration, type HealthCheck } from './check.ts';
import type { ProbeResult } from './health.ts';

/** What inspect keeps of a probe's output, as in dockerd. */
const OUTPUT_BYTES = 4096;
/** Somebody else may hold the output of a probe that has ended. */
const DRAIN_MS = 2000;

/** Runs a check once inside its container; what goes wrong is part of the result. */
export async function probe(
  context: EngineContext,
  container: Container,
  run: Run,
  check: HealthCheck,
): Promise<ProbeResult> {
  const startNs = nowNs().toString();
  const result = (exitCode: number, output: string): ProbeResult => ({
    startNs,
    endNs: nowNs().toString(),
    exitCode,
    output,
  });
  const output = new OutputTail();
  try {
    const { Id } = await createExec(context, container, execConfig(check), container.id);
    const exec = context.execs.get(Id);
    exec.state = { status: 'running', pid: 0 };
    await runExec(context, container, exec, undefined, [
      {
        connection: { kind: 'stream', stream: output },
        options: { stdin: false, stdout: true, stderr: true, detachKeys: Buffer.alloc(0), multiplexed: false },
      },
    ]);
    // It may have ended meanwhile: the state is read anew.
    const { state } = context.execs.get(Id);
    const ended = state.status === 'running' ? state.ended : undefined;
    if (ended && !(await timeout(ended, check.timeoutMs))) {
      await run.shim.signal({ execId: Id }, 9).catch(() => {});
      // Probes that are slow to die must not pile up.
      await ended;
      const text = output.text;
      return result(
        -1,
        `Health check exceeded timeout (${goDuration(check.timeoutMs)})${text === '' ? '' : `: ${text}`}`,
      );
    }
    await timeout(output.complete, DRAIN_MS);
    const last = context.execs.get(Id).state;
    return result(last.status === 'ended' ? last.exitCode : -1, output.text);
  } catch (error) {
    return result(-1, messageOf(error));
  } finally {
    output.destroy();
  }
}

function execConfig(check: HealthCheck) {
  return {
    User: '',
    Privileged: false,
    Tty: false,
    AttachStdin: false,
    AttachStdout: true,
    AttachStderr: true,
    DetachKeys: '',
    Env: null,
    WorkingDir: '',
    Cmd: [...check.command],
  };
}

/** Takes all output and keeps the first of it. */
class OutputTail extends Duplex {
  readonly complete: Promise<void>;
  #kept: Buffer = Buffer.alloc(0);
  #cut = false;

  constructor() {
    super();
    this.complete = new Promise(resolve => {
      this.once('finish', resolve);
      this.once('close', resolve);
    });
  }

  get text(): string {
    return this.#kept.toString() + (this.#cut ? '...' : '');
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const room = OUTPUT_BYTES - this.#kept.length;
    if (chunk.length > room) this.#cut = true;
    if (room > 0) this.#kept = Buffer.concat([this.#kept, chunk.subarray(0, room)]);
    done();
  }
}
