/** Remembers the result for an object as long as the object lives, so that thousands of watches share one. */
export function memoizeByObject<K extends object, V>(make: (from: K) => V): (from: K) => V {
  const made = new WeakMap<K, V>();
  return from => {
    if (!made.has(from)) made.set(from, make(from));
    return made.get(from) as V;
  };
}
