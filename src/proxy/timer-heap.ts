/**
 * A queue of deadlines, at most one per small integer id: an indexed binary min-heap on typed arrays.
 *
 * Setting, moving and clearing cost O(log n) and allocate nothing. An idle deadline is not moved at each byte: its owner
 * looks, when it falls due, at when the last byte came, and sets it again.
 */
export class TimerHeap {
  #heap = new Int32Array(64);
  #time = new Float64Array(64);
  /** Position in the heap + 1 by id; 0 when not queued. */
  #place = new Int32Array(64);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The earliest deadline, or Infinity. */
  next(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : this.#time[this.#heap[0]];
  }

  set(id: number, time: number): void {
    if (id >= this.#place.length) this.#grow(id);
    let place = this.#place[id] - 1;
    if (place < 0) {
      if (this.#size === this.#heap.length) this.#growHeap();
      place = this.#size++;
      this.#heap[place] = id;
      this.#place[id] = place + 1;
    }
    this.#time[id] = time;
    this.#sink(this.#rise(place));
  }

  clear(id: number): void {
    const place = id < this.#place.length ? this.#place[id] - 1 : -1;
    if (place < 0) return;
    this.#place[id] = 0;
    const last = this.#heap[--this.#size];
    if (place === this.#size) return;
    this.#heap[place] = last;
    this.#place[last] = place + 1;
    this.#sink(this.#rise(place));
  }

  /** Takes out one id whose deadline is at or before `now`; -1 when there is none. */
  due(now: number): number {
    if (this.#size === 0) return -1;
    const id = this.#heap[0];
    if (this.#time[id] > now) return -1;
    this.clear(id);
    return id;
  }

  #rise(place: number): number {
    const heap = this.#heap;
    const id = heap[place];
    const time = this.#time[id];
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (this.#time[heap[parent]] <= time) break;
      heap[place] = heap[parent];
      this.#place[heap[place]] = place + 1;
      place = parent;
    }
    heap[place] = id;
    this.#place[id] = place + 1;
    return place;
  }

  #sink(place: number): void {
    const heap = this.#heap;
    const id = heap[place];
    const time = this.#time[id];
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && this.#time[heap[child + 1]] < this.#time[heap[child]]) child++;
      if (this.#time[heap[child]] >= time) break;
      heap[place] = heap[child];
      this.#place[heap[place]] = place + 1;
      place = child;
    }
    heap[place] = id;
    this.#place[id] = place + 1;
  }

  #grow(id: number): void {
    const length = Math.max(id + 1, this.#place.length * 2);
    const place = new Int32Array(length);
    place.set(this.#place);
    this.#place = place;
    const time = new Float64Array(length);
    time.set(this.#time);
    this.#time = time;
  }

  #growHeap(): void {
    const heap = new Int32Array(this.#heap.length * 2);
    heap.set(this.#heap);
    this.#heap = heap;
  }
}
