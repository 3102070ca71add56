/**
 * Sends the records of ended sessions to the control plane in batches: one message for many sessions.
 *
 * A slow control plane costs records, never memory or speed: beyond {@link maxInFlight} untaken ones, new ones are dropped and counted.
 */
import { recordsDeadline, type WorkerContext } from './context.ts';
import type { ControlChannel, RecordingSpec } from './messages.ts';
import type { ConnectionRecord, RecordSink } from './record.ts';

const batchSize = 256;
const maxInFlight = 16_384;
const delayMs = 20;

export class AccessRecordBatcher implements RecordSink {
  readonly #context: WorkerContext;
  readonly #control: ControlChannel;
  readonly #spec: RecordingSpec;
  #batch: ConnectionRecord[] = [];

  constructor(context: WorkerContext, control: ControlChannel, spec: RecordingSpec) {
    this.#context = context;
    this.#control = control;
    this.#spec = spec;
  }

  record(record: ConnectionRecord): void {
    const { counts, cells, deadlines, driver } = this.#context;
    if (Atomics.load(counts, this.#spec.inFlight) >= maxInFlight) {
      cells.add(this.#spec.dropped, 1);
      return;
    }
    Atomics.add(counts, this.#spec.inFlight, 1);
    if (this.#batch.push(record) === 1) deadlines.set(recordsDeadline, driver.now() + delayMs);
    if (this.#batch.length === batchSize) this.flush();
  }

  flush(): void {
    this.#context.deadlines.clear(recordsDeadline);
    if (this.#batch.length === 0) return;
    this.#control.post({ type: 'records', records: this.#batch });
    this.#batch = [];
  }
}
