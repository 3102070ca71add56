/** `/etc/hosts`: addresses of names that need no DNS. Source: hosts(5). */
import { isIP } from 'node:net';

/** By name in lower case. */
export type Hosts = ReadonlyMap<string, readonly string[]>;

export function parseHosts(text: string): Hosts {
  const hosts = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [ip, ...names] = line.replace(/#.*/s, '').trim().split(/\s+/);
    if (isIP(ip) === 0) continue;
    for (const name of names) {
      const key = name.toLowerCase();
      const known = hosts.get(key) ?? [];
      hosts.set(key, known);
      if (!known.includes(ip)) known.push(ip);
    }
  }
  return hosts;
}
