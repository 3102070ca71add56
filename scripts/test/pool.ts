/**
 * Runs jobs side by side until the machine is busy: the longest first, each as soon as its share of the cores is free.
 *
 * Most tests of outages and timeouts wait and hardly compute, so counting processes would leave cores idle. A job counts
 * with the CPU time that it needed per second when it was last recorded.
 */

export interface Job {
  readonly name: string;
  /** How long it takes, and how many cores it keeps busy meanwhile. Estimates: they decide the order, not the outcome. */
  readonly seconds: number;
  readonly cores: number;
  /** Names of jobs that must end first. */
  readonly after?: readonly string[];
}

export interface PoolOptions {
  /** How many cores the running jobs may keep busy together. A job that needs more runs alone. */
  readonly cores: number;
  /** Bounds the processes, and with them the memory, when jobs only wait. */
  readonly atOnce: number;
}

/** @returns the results of `run`, in the order in which the jobs ended */
export async function runPool<J extends Job, R>(
  jobs: readonly J[],
  { cores, atOnce }: PoolOptions,
  run: (job: J) => Promise<R>,
): Promise<readonly R[]> {
  const waiting = jobs.toSorted((a, b) => b.seconds - a.seconds);
  const unfinished = new Set(jobs.map(({ name }) => name));
  const running = new Map<J, Promise<void>>();
  const results: R[] = [];
  const fits = (job: J): boolean => {
    if (job.after?.some(name => unfinished.has(name))) return false;
    if (running.size === 0) return true;
    const busy = [...running.keys()].reduce((sum, other) => sum + other.cores, 0);
    return running.size < atOnce && busy + job.cores <= cores;
  };
  const start = (job: J): void => {
    const ended = run(job).then(result => {
      results.push(result);
      unfinished.delete(job.name);
      running.delete(job);
    });
    running.set(job, ended);
  };
  while (waiting.length > 0 || running.size > 0) {
    for (let at = waiting.findIndex(fits); at >= 0; at = waiting.findIndex(fits)) start(waiting.splice(at, 1)[0] as J);
    if (running.size === 0)
      throw new Error(`${waiting.map(({ name }) => name).join(', ')}: waits for a job that never ends`);
    await Promise.race(running.values());
  }
  return results;
}
