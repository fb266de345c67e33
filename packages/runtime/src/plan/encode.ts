import type { AttachOptions, LaunchPlan, LogTarget, Stdio } from '../launch.ts';
import { ByteWriter } from './bytes.ts';
import { encodeStep } from './encode-step.ts';
import type { Slot, Step } from './steps.ts';

const MAGIC = 0x31544e47;

/** Version of requests and messages; native/wire.h has the same number. */
export const PROTOCOL_VERSION = 1;

const KINDS = { launch: 1, exec: 2, run: 3, attach: 4 } as const;

/** An attachment as native code gets it: the client's descriptor travels beside. */
export type EncodedAttachment = { readonly options: AttachOptions; readonly head: Uint8Array };

export type NativeRequest = {
  readonly kind: keyof typeof KINDS;
  readonly id: string;
  readonly runDir?: string;
  readonly plan?: Partial<LaunchPlan>;
  readonly stdio?: Stdio;
  readonly log?: LogTarget;
  readonly slotCount?: number;
  readonly rootSlot?: Slot;
  readonly timeoutMs?: number;
  readonly attachments?: readonly EncodedAttachment[];
  /** The shim writes behind the request when each step began. */
  readonly traced?: boolean;
};

/**
 * The bytes of a request as native/wire.c reads them in place.
 * @throws TypeError when a string holds a NUL byte
 */
export function encodeRequest(request: NativeRequest): Buffer {
  const out = new ByteWriter();
  const { plan = {}, stdio, log } = request;
  const file = log?.driver === 'json-file' ? log : undefined;
  out.u32(MAGIC);
  out.u32(PROTOCOL_VERSION);
  out.u32(KINDS[request.kind]);
  out.string(request.id);
  out.string(request.runDir);
  out.u64(plan.cloneFlags ?? 0);
  out.string(plan.cgroupPath);
  out.u32(request.timeoutMs ?? 0);
  out.u32((stdio?.tty ? 1 : 0) | (stdio?.openStdin ? 2 : 0) | (stdio?.stdinOnce ? 4 : 0) | (request.traced ? 8 : 0));
  out.string(file?.path);
  out.u64(file?.maxSizeBytes ?? 0);
  out.u32(file?.maxFiles ?? 0);
  out.u32((file?.compress ? 1 : 0) | (file?.bufferBytes === undefined ? 0 : 2) | (file?.raw ? 4 : 0));
  out.u64(file?.bufferBytes ?? 0);
  out.string(file?.attributes);
  out.u32(request.rootSlot ?? -1);
  out.u32(request.slotCount ?? 0);
  for (const steps of [plan.prepare, plan.parent, plan.child]) encodeSteps(out, steps ?? []);
  const attachments = request.attachments ?? [];
  out.u32(attachments.length);
  for (const { options, head } of attachments) {
    out.u32(
      (options.stdin ? 1 : 0) | (options.stdout ? 2 : 0) | (options.stderr ? 4 : 0) | (options.multiplexed ? 8 : 0),
    );
    out.data(options.detachKeys);
    out.data(head);
  }
  return out.bytes;
}

function encodeSteps(out: ByteWriter, steps: readonly Step[]): void {
  out.section(steps.length, () => {
    for (const step of steps) encodeStep(out, step);
  });
}
