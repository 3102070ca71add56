/** `/etc/resolv.conf`: where to ask, and how names are completed. Source: resolv.conf(5). */
import { isIP } from 'node:net';

export interface DnsServer {
  readonly ip: string;
  readonly port: number;
}

export interface ResolvConf {
  readonly servers: readonly DnsServer[];
  /** Domains that complete a name, without the final dot. */
  readonly search: readonly string[];
  /** A name with this many dots is tried as it is first. */
  readonly ndots: number;
  readonly timeoutMs: number;
  readonly attempts: number;
  readonly rotate: boolean;
  /** `use-vc`: ask over TCP only. */
  readonly useTcp: boolean;
}

/** The limits of glibc, but for `search`, which it has not limited since 2.26. */
const maxServers = 3;
const maxSearch = 32;

/** @param port of all servers; the file has no way to say it */
export function parseResolvConf(text: string, port = 53): ResolvConf {
  const servers: DnsServer[] = [];
  let search: readonly string[] = [];
  const options = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [keyword, ...words] = line
      .replace(/[#;].*/s, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && isIP(words[0] ?? '') !== 0) servers.push({ ip: words[0], port });
    else if (keyword === 'search') search = words;
    else if (keyword === 'domain') search = words.slice(0, 1);
    else if (keyword === 'options')
      for (const word of words) options.set(word.split(':', 1)[0], word.slice(word.indexOf(':') + 1));
  }
  const number = (name: string, otherwise: number, min: number, max: number): number => {
    const given = Number(options.get(name) ?? otherwise);
    return Number.isInteger(given) ? Math.min(max, Math.max(min, given)) : otherwise;
  };
  return {
    servers: servers.length > 0 ? servers.slice(0, maxServers) : [{ ip: '127.0.0.1', port }],
    search: search
      .map(domain => domain.replace(/\.$/, ''))
      .filter(domain => domain !== '')
      .slice(0, maxSearch),
    ndots: number('ndots', 1, 0, 15),
    timeoutMs: number('timeout', 5, 1, 30) * 1000,
    attempts: number('attempts', 2, 1, 5),
    rotate: options.has('rotate'),
    useTcp: options.has('use-vc'),
  };
}

/** The full names that `host` may mean, in the order in which they are asked for. */
export function candidatesOf(host: string, { search, ndots }: Pick<ResolvConf, 'search' | 'ndots'>): readonly string[] {
  if (host.endsWith('.')) return [host.slice(0, -1)];
  const completed = search.map(domain => `${host}.${domain}`);
  return host.split('.').length - 1 >= ndots ? [host, ...completed] : [...completed, host];
}
