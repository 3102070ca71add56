/** Names of hosts as TLS has them: in ASCII, without regard to case, without the dot at the end. */

const label = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** Lower case, without a dot at the end. */
export const normalName = (name: string): string => name.toLowerCase().replace(/\.$/, '');

export function isHostName(name: string): boolean {
  const normal = normalName(name);
  return normal.length <= 253 && normal.split('.').every(part => label.test(part));
}

/** A host name, or one whose first label is `*`. */
export const isServerName = (name: string): boolean =>
  isHostName(name.startsWith('*.') ? name.slice(2) : name) && !/^\d+(\.\d+)*$/.test(normalName(name));
