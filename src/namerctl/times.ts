/** Times as a person reads them, or as a program does. */

const units = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
] as const;

/** Older than this is shown as a date, which is what one looks for then. */
const longestAgo = 7 * 86_400_000;

/** `3 minutes ago` for a person, ISO 8601 for a program. */
export function timeText(at: number, now: number, isForPerson: boolean): string {
  const iso = new Date(at).toISOString();
  if (!isForPerson) return iso;
  const ago = now - at;
  if (ago < 0 || ago > longestAgo) return `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
  const [unit, ms] = units.find(([, length]) => ago >= length) ?? [undefined, 1];
  if (unit === undefined) return 'now';
  const count = Math.floor(ago / ms);
  return `${count} ${unit}${count === 1 ? '' : 's'} ago`;
}
