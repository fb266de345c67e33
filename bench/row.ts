import type { Target } from './target.ts';

/** One line of the table: how it is measured, and what the promise is. */
export type Row = {
  /** Short name for `--rows`. */
  readonly id: string;
  readonly title: string;
  readonly unit: 'ms' | 'MB';
  /** Measurements for each engine; the median counts. */
  readonly runs: number;
  /** Ours must be at most this share of the peer's figure, or this figure itself. */
  readonly limit: { readonly ratio: number } | { readonly absolute: number };
  /** Made before the measurements of one engine and undone after them. */
  readonly prepare?: (target: Target) => Promise<void>;
  readonly restore?: (target: Target) => Promise<void>;
  /** What is prepared weighs on the machine, so the engines are measured one after the other, not run by run in turns. */
  readonly heavy?: true;
  /** What the machine itself needs for the same bytes, printed beside with our share of it. */
  readonly floor?: () => Promise<number>;
  readonly measure: (target: Target, run: number) => Promise<number>;
};
