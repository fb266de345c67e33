import type { Digest } from '@gantry/oci';
import type { TransferProgress } from '../face.ts';
import { progressBar } from './progress-bar.ts';

const REPORT_MS = 100;

/** The first 12 digits, by which a layer is named in messages. */
const shortId = (digest: Digest): string => digest.slice(digest.indexOf(':') + 1).slice(0, 12);

/** Says what happens to one layer, not more often than a terminal can show. */
export class LayerReport {
  readonly #id: string;
  readonly #totalBytes: number;
  readonly #progress: TransferProgress;
  #lastMs = 0;

  constructor(digest: Digest, totalBytes: number, progress: TransferProgress) {
    this.#id = shortId(digest);
    this.#totalBytes = totalBytes;
    this.#progress = progress;
  }

  say(status: string): void {
    this.#progress({ status, progressDetail: {}, id: this.#id });
  }

  /** @param always for the last word */
  bytes(status: string, current: number, always = false, total = this.#totalBytes): void {
    const now = performance.now();
    if (!always && now - this.#lastMs < REPORT_MS) return;
    this.#lastMs = now;
    this.#progress({ status, progressDetail: { current, total }, progress: progressBar(current, total), id: this.#id });
  }
}
