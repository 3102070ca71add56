/**
 * When a direction of a session has proved to be bulk, and so is worth a splice: large chunks, many in a row. One small chunk
 * among them, as a question and its answer have, and the count begins anew.
 */
export interface BulkProof {
  readonly chunkBytes: number;
  /** 1 to 254. */
  readonly chunks: number;
}

export const defaultBulkProof: BulkProof = { chunkBytes: 8 * 1024, chunks: 32 };

/** @returns the run of large chunks after one more; it wraps at 255, so that a splice that was refused is asked for again */
export function runAfter(run: number, length: number, { chunkBytes }: BulkProof): number {
  if (length < chunkBytes) return 0;
  return run === 255 ? 1 : run + 1;
}
