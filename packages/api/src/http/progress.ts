import type { Progress, ProgressMessage } from '@gantry/engine';
import { isGantryError, messageOf } from '@gantry/errors';
import type { Call } from './call.ts';
import { startStream } from './reply.ts';

/** Beyond this many unsent bytes, mere progress is dropped: a slow client misses some bars, not the outcome. */
const maxPendingBytes = 256 * 1024;

/**
 * Runs `work` with its progress streamed as JSON lines. An error before the first line becomes an HTTP error; a later one
 * is the last line of the stream.
 * @param started the answer begins at once, so that every error is a line
 */
export async function streamProgress(
  call: Call,
  work: (progress: Progress) => Promise<void>,
  { started = false }: { started?: boolean } = {},
): Promise<void> {
  const begin = (): void => {
    if (!call.response.headersSent) startStream(call, 'application/json');
  };
  const send = (message: ProgressMessage): void => {
    begin();
    const detail = message.progressDetail;
    if (detail?.current !== undefined && call.response.writableLength > maxPendingBytes) return;
    call.response.write(progressLine(message));
  };
  if (started) begin();
  try {
    await work(send);
  } catch (error) {
    if (!call.response.headersSent) throw error;
    const message = messageOf(error);
    const hint = isGantryError(error) && error.hint ? { hint: error.hint } : {};
    send({ errorDetail: { message, ...hint }, error: message });
  }
  begin();
  call.response.end();
}

/** One line of the stream, its keys in the order of Docker's JSONMessage. */
export function progressLine(message: ProgressMessage): string {
  const { stream, status, progressDetail, progress, id, errorDetail, error, aux } = message;
  const bar = progress ?? (progressDetail ? progressBar(progressDetail) : undefined);
  return `${JSON.stringify({ stream, status, progressDetail, progress: bar || undefined, id, errorDetail, error, aux })}\r\n`;
}

/** The bar that clients without their own print: `[=====>      ]  1.2MB/3.4MB`. */
export function progressBar({ current, total, units }: NonNullable<ProgressMessage['progressDetail']>): string {
  if (current === undefined || (current <= 0 && (total ?? 0) <= 0)) return '';
  const amount = (value: number): string => (units ? `${value} ${units}` : humanSize(value));
  if (total === undefined || total <= 0) return amount(current).padStart(8);
  const percent = Math.min(50, Math.floor(((current / total) * 100) / 2));
  const bar = `[${'='.repeat(percent)}>${' '.repeat(Math.max(0, 50 - percent))}]`;
  const numbers = current > total ? amount(current).padStart(8) : `${amount(current).padStart(8)}/${amount(total)}`;
  return `${bar} ${numbers}`;
}

function humanSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let unit = 0;
  let value = bytes;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${Number(value.toPrecision(4))}${units[unit]}`;
}
