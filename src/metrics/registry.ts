/**
 * Maps series to cells in the threads' pages of shared memory. Main thread only.
 *
 * Page 0 belongs to the main thread, page i to worker i. A series has the same cells on every page; its value is their sum. A series
 * that is registered twice (for example, two servers with one address across a reload) is one series with two registrations. Release
 * has two steps, because workers write to cells until they learn of it: the series leaves the exposition at once, but its cells are
 * zeroed and reused only when every registration is confirmed as released.
 */
import { LinkerdTcpError } from '../errors.ts';
import { CellAllocator } from './cell-allocator.ts';
import { type Cell, Cells } from './cells.ts';
import { type ExposedFamily, exposition } from './exposition.ts';
import { type CounterName, families, type GaugeName, type HistogramName, type MetricName } from './families.ts';
import { type Labels, labelText } from './labels.ts';
import { histogramSize } from './layout.ts';

export interface Scope {
  /** The labels are added to those of the scope; together they must be the labels of the family. */
  counter(name: CounterName, labels?: Labels): Cell;
  gauge(name: GaugeName, labels?: Labels): Cell;
  histogram(name: HistogramName, labels?: Labels): Cell;
  /** Consecutive cells, one per value of `label`. */
  counters(name: CounterName, label: string, values: readonly string[], labels?: Labels): Cell;
  /** The same for gauges, e.g. the states of an endpoint. */
  gauges(name: GaugeName, label: string, values: readonly string[], labels?: Labels): Cell;
  /** A value read at each scrape; NaN means there is none. If two have the same labels, the newer one is read. */
  computed(name: CounterName | GaugeName, labels: Labels, read: () => number): void;
  /** Ends every registration of the scope. */
  release(): void;
  /** Confirms that no thread writes to the cells of the scope. */
  confirmReleased(): void;
}

export interface RegistryOptions {
  readonly pages: number;
  /** Cells per page. A series takes one, a histogram 34. */
  readonly capacity?: number;
}

/** Cells registered together. */
interface Block {
  readonly family: MetricName;
  readonly cell: Cell;
  readonly size: number;
  /** Label texts of its series, in the order of their cells. */
  readonly series: readonly string[];
  /** Registrations that expose the series. */
  shown: number;
  /** Registrations through which a thread may still write; at least `shown`. */
  held: number;
}

interface Reading {
  readonly read: () => number;
}

type Series = { readonly block: Block; readonly cell: Cell } | { readonly readings: Reading[] };

const defaultCapacity = 1 << 18;

export class Registry {
  /** Shared memory, one page per thread. */
  readonly pages: readonly SharedArrayBuffer[];
  /** The main thread's cells. */
  readonly main: Cells;
  readonly #capacity: number;
  readonly #allocator: CellAllocator;
  readonly #views: readonly Float64Array[];
  /** By family, then by label text. */
  readonly #series = new Map<MetricName, Map<string, Series>>();

  constructor(options: RegistryOptions) {
    this.#capacity = options.capacity ?? defaultCapacity;
    this.#allocator = new CellAllocator(this.#capacity);
    this.pages = Array.from(
      { length: options.pages },
      () => new SharedArrayBuffer(this.#capacity * Float64Array.BYTES_PER_ELEMENT),
    );
    this.#views = this.pages.map(page => new Float64Array(page));
    this.main = new Cells(this.pages[0]);
  }

  scope(labels: Labels): Scope {
    const blocks: Block[] = [];
    const readings: { readonly name: MetricName; readonly text: string; readonly reading: Reading }[] = [];
    let releasing: Block[] = [];

    const register = (name: MetricName, texts: readonly string[], size: number): Cell => {
      const block = this.#share(name, texts) ?? this.#allocate(name, texts, size);
      block.shown++;
      block.held++;
      blocks.push(block);
      const series = this.#familySeries(name).get(texts[0]);
      return series !== undefined && 'cell' in series ? series.cell : block.cell;
    };
    const single = (name: MetricName, own: Labels = {}): Cell => {
      const size = families[name].type === 'histogram' ? histogramSize : 1;
      return register(name, [labelText(name, { ...labels, ...own })], size);
    };
    const several = (name: MetricName, label: string, values: readonly string[], own: Labels = {}): Cell =>
      register(
        name,
        values.map(value => labelText(name, { ...labels, ...own, [label]: value })),
        values.length,
      );

    return {
      counter: single,
      gauge: single,
      histogram: single,
      counters: several,
      gauges: several,
      computed: (name, own, read) => {
        const text = labelText(name, { ...labels, ...own });
        const reading = { read };
        this.#compute(name, text, reading);
        readings.push({ name, text, reading });
      },
      release: () => {
        for (const block of blocks) {
          this.#hide(block);
        }
        releasing = releasing.concat(blocks.splice(0));
        for (const { name, text, reading } of readings.splice(0)) {
          this.#dropReading(name, text, reading);
        }
      },
      confirmReleased: () => {
        for (const block of releasing.splice(0)) {
          this.#letGo(block);
        }
      },
    };
  }

  /** The current sum of a cell over all threads. */
  read(cell: Cell): number {
    return this.#views.reduce((sum, view) => sum + view[cell], 0);
  }

  /** The current values in Prometheus text format 0.0.4. */
  expose(): string {
    return exposition(this.#exposed(), this.#views);
  }

  *#exposed(): Iterable<ExposedFamily> {
    for (const name of Object.keys(families) as MetricName[]) {
      const series = this.#series.get(name);
      if (series !== undefined) {
        yield {
          name,
          series: series
            .entries()
            .map(([labels, each]) =>
              'cell' in each ? { labels, cell: each.cell } : { labels, value: readingOf(each.readings.at(-1)!) },
            ),
        };
      }
    }
  }

  #familySeries(name: MetricName): Map<string, Series> {
    let series = this.#series.get(name);
    if (series === undefined) {
      series = new Map();
      this.#series.set(name, series);
    }
    return series;
  }

  /** The block that holds exactly these consecutive series; undefined if none of them exists. */
  #share(name: MetricName, texts: readonly string[]): Block | undefined {
    const known = texts.map(text => this.#series.get(name)?.get(text));
    const first = known[0];
    if (known.every(each => each === undefined)) return undefined;
    if (
      first === undefined ||
      !('cell' in first) ||
      known.some((each, i) => each === undefined || !('cell' in each) || each.cell !== first.cell + i)
    ) {
      throw new Error(`${name}{${texts[0]}} and its neighbours are already registered in another way`);
    }
    return first.block;
  }

  #allocate(name: MetricName, texts: readonly string[], size: number): Block {
    if (new Set(texts).size !== texts.length) {
      throw new Error(`${name}: the values of a label must differ: ${texts.join(' ')}`);
    }
    const cell = this.#allocator.take(size);
    if (cell === undefined) {
      throw new LinkerdTcpError('SHARED_MEMORY_FULL', {
        what: `series of ${name}`,
        limit: `${this.#capacity} cells`,
      });
    }
    const block: Block = { family: name, cell, size, series: texts, shown: 0, held: 0 };
    const series = this.#familySeries(name);
    for (const [i, text] of texts.entries()) {
      series.set(text, { block, cell: cell + i });
    }
    return block;
  }

  #hide(block: Block): void {
    block.shown--;
    if (block.shown === 0) this.#forget(block.family, block.series);
  }

  #letGo(block: Block): void {
    block.held--;
    if (block.held === 0) {
      for (const view of this.#views) {
        view.fill(0, block.cell, block.cell + block.size);
      }
      this.#allocator.give(block.cell, block.size);
    }
  }

  #compute(name: MetricName, text: string, reading: Reading): void {
    const series = this.#familySeries(name);
    const known = series.get(text);
    if (known === undefined) {
      series.set(text, { readings: [reading] });
    } else if ('readings' in known) {
      known.readings.push(reading);
    } else {
      throw new Error(`${name}{${text}} is already registered with a cell`);
    }
  }

  #dropReading(name: MetricName, text: string, reading: Reading): void {
    const known = this.#series.get(name)?.get(text);
    if (known !== undefined && 'readings' in known) {
      known.readings.splice(known.readings.indexOf(reading), 1);
      if (known.readings.length === 0) this.#forget(name, [text]);
    }
  }

  #forget(name: MetricName, texts: readonly string[]): void {
    const series = this.#familySeries(name);
    for (const text of texts) {
      series.delete(text);
    }
    if (series.size === 0) this.#series.delete(name);
  }
}

/** One value that cannot be read, e.g. without a free descriptor, is omitted: it must not fail the whole scrape. */
function readingOf({ read }: Reading): number {
  try {
    return read();
  } catch {
    return Number.NaN;
  }
}
