/** Remembers what was made of an object for as long as the object lives: all who are told of it get the same. */
export function memoizeByObject<K extends object, V>(make: (from: K) => V): (from: K) => V {
  const made = new WeakMap<K, V>();
  return from => {
    if (!made.has(from)) made.set(from, make(from));
    return made.get(from) as V;
  };
}
