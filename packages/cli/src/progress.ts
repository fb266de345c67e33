import type { ProgressMessage } from '@gantry/client';
import { withHint } from './describe-error.ts';
import { ExitError } from './errors.ts';
import { humanSize } from './render/units.ts';

/** In a narrower terminal the line has no room for a rate. */
const WIDE = 110;

type Terminal = NodeJS.WriteStream | undefined;

/**
 * Shows the progress of pull, push, load and import: in a terminal one line an id that is redrawn, else one line a message,
 * without the bars.
 * @throws ExitError with the engine's text when the stream ends in an error
 */
export async function showProgress(
  messages: AsyncIterable<ProgressMessage>,
  out: NodeJS.WriteStream,
  onAux: (aux: unknown) => void = () => {},
): Promise<void> {
  const terminal: Terminal = out.isTTY ? out : undefined;
  const rows = new Map<string, number>();
  const rates = new TransferRates();
  let below = 0; // lines under the first row
  for await (const message of messages) {
    if (message.aux !== undefined && message.aux !== null) {
      onAux(message.aux);
      continue;
    }
    throwIfFailed(message);
    const line =
      progressLine(message, terminal?.columns ?? 0) + ((terminal?.columns ?? 0) >= WIDE ? rates.text(message) : '');
    if (!terminal) {
      if (message.stream !== undefined && message.stream !== '') out.write(message.stream);
      else if (!hasBar(message)) out.write(`${line}\n`);
      continue;
    }
    if (message.id === undefined || message.id === '' || !(message.progressDetail || message.progress)) {
      if (message.stream !== undefined && message.stream !== '') out.write(`${message.stream}`);
      else out.write(`${line}\n`);
      rows.clear();
      below = 0;
      continue;
    }
    const row = rows.get(message.id);
    if (row === undefined) {
      rows.set(message.id, below++);
      out.write(`\x1b[2K\r${line}\n`);
    } else {
      const up = below - row;
      out.write(`\x1b[${up}A\x1b[2K\r${line}\r\x1b[${up}B`);
    }
  }
}

/** @throws ExitError with the engine's text and hint when `message` is the error that ends a stream */
export function throwIfFailed({ errorDetail, error }: ProgressMessage): void {
  const failed = errorDetail?.message ?? error;
  if (failed) throw new ExitError(1, withHint(failed, errorDetail?.hint));
}

/** How fast the bytes of each row have come in the last moments. */
class TransferRates {
  readonly #rows = new Map<string, { status: string; ms: number; bytes: number; rate: number }>();

  /** `  12.3MB/s`, empty while nothing can be said. */
  text({ id = '', status = '', progressDetail }: ProgressMessage, nowMs = performance.now()): string {
    const bytes = progressDetail?.current;
    if (id === '' || bytes === undefined) return '';
    const row = this.#rows.get(id);
    if (row?.status !== status || bytes < row.bytes) {
      this.#rows.set(id, { status, ms: nowMs, bytes, rate: 0 });
      return '';
    }
    const ms = nowMs - row.ms;
    // Over half a second at least, so that the figure can be read.
    if (ms >= 500) {
      const rate = ((bytes - row.bytes) / ms) * 1000;
      this.#rows.set(id, { status, ms: nowMs, bytes, rate });
      return rate > 0 ? `  ${humanSize(rate, 3)}/s` : '';
    }
    return row.rate > 0 ? `  ${humanSize(row.rate, 3)}/s` : '';
  }
}

function hasBar(message: ProgressMessage): boolean {
  const { current = 0, total = 0 } = message.progressDetail ?? {};
  return current > 0 || total > 0 || Boolean(message.progress);
}

function progressLine(message: ProgressMessage, width: number): string {
  const id = message.id ? `${message.id}: ` : '';
  const bar = progressBar(message, width);
  return `${id}${message.status ?? ''}${bar === '' ? '' : ` ${bar}`}`;
}

/** `[=====>     ]  1.5MB/3MB`. */
function progressBar({ progressDetail, progress }: ProgressMessage, width: number): string {
  if (!progressDetail) return progress ?? '';
  const { current = 0, total = 0, units } = progressDetail;
  if (current <= 0 && total <= 0) return '';
  const counts = units !== undefined && units !== '';
  const size = (value: number) => (counts ? `${value} ${units}` : humanSize(value));
  if (total <= 0) return size(current).padStart(8);
  const parts = Math.min(50, Math.trunc((current / total) * 50));
  const bar = width > 110 ? `[${'='.repeat(parts)}>${' '.repeat(50 - parts)}] ` : '';
  const numbers = current > total ? size(current).padStart(8) : `${size(current).padStart(8)}/${size(total)}`;
  return `${bar}${numbers}`;
}
