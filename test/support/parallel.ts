/** Does a thing many times, a bounded number at once; the first failure ends it. */
export async function inParallel(times: number, atOnce: number, body: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  let hasFailed = false;
  const lane = async (): Promise<void> => {
    while (next < times && !hasFailed) {
      const index = next++;
      try {
        await body(index);
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, times) }, lane));
}
