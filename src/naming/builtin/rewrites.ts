/** Utility namers that make one path of another: what follows `/$/<class>`, or nothing where it has another shape. */
import type { Path } from '../../dtab/path.ts';

type Rewrite = (path: Path) => Path | undefined;

export const rewrites: Readonly<Record<string, Rewrite>> = {
  // /<pfx>/<host>:<port>/… → /<pfx>/<host>/<port>/…
  'io.buoyant.hostportPfx': ([prefix, hostPort, ...rest]) => {
    const split = splitHostPort(hostPort);
    return split && [prefix, split.host, split.port, ...rest];
  },
  // /<pfx>/<host>:<port>/… → /<pfx>/<port>/<host>/…
  'io.buoyant.porthostPfx': ([prefix, hostPort, ...rest]) => {
    const split = splitHostPort(hostPort);
    return split && [prefix, split.port, split.host, ...rest];
  },
  // /<METHOD>/… → /…
  'io.buoyant.http.anyMethod': ([method, ...rest]) => (isMethod(method) ? rest : undefined),
  // /<pfx>/<METHOD>/… → /<pfx>/…
  'io.buoyant.http.anyMethodPfx': ([prefix, method, ...rest]) => (isMethod(method) ? [prefix, ...rest] : undefined),
  // /<host>/… → /…
  'io.buoyant.http.anyHost': ([host, ...rest]) => (isHost(host) ? rest : undefined),
  // /<pfx>/<host>/… → /<pfx>/…
  'io.buoyant.http.anyHostPfx': ([prefix, host, ...rest]) => (isHost(host) ? [prefix, ...rest] : undefined),
  // /<domain>/<sub>.<domain>/… → /<sub>/…
  'io.buoyant.http.subdomainOf': ([domain, host, ...rest]) => {
    const sub = subdomain(domain, host);
    return sub ? [sub, ...rest] : undefined;
  },
  // /<domain>/<pfx>/<sub>.<domain>/… → /<pfx>/<sub>/…
  'io.buoyant.http.subdomainOfPfx': ([domain, prefix, host, ...rest]) => {
    const sub = subdomain(domain, host);
    return sub ? [prefix, sub, ...rest] : undefined;
  },
  // /<a.b.c>/… → /c/b/a/…
  'io.buoyant.http.domainToPath': ([domain, ...rest]) => {
    const labels = reversed(domain);
    return labels && [...labels, ...rest];
  },
  // /<pfx>/<a.b.c>/… → /<pfx>/c/b/a/…
  'io.buoyant.http.domainToPathPfx': ([prefix, domain, ...rest]) => {
    const labels = reversed(domain);
    return labels && [prefix, ...labels, ...rest];
  },
};

const isMethod = (label: string | undefined): boolean => label !== undefined && /^[A-Z]+$/.test(label);

const isHost = (label: string | undefined): boolean => label !== undefined && /^[A-Za-z0-9.:_-]+$/.test(label);

/** Exactly one colon; the port may be a service's name. */
function splitHostPort(label: string | undefined): { host: string; port: string } | undefined {
  const [host, port, ...more] = label?.split(':') ?? [];
  if (!host || port === undefined || more.length > 0) return undefined;
  return port.length <= 63 && /^[a-z0-9][-a-z0-9]*[a-z0-9]?$/.test(port) ? { host, port } : undefined;
}

function subdomain(domain: string, host: string | undefined): string | undefined {
  const name = host?.replace(/:\d*$/, '');
  if (!name?.endsWith(`.${domain}`)) return undefined;
  return name.slice(0, -domain.length - 1) || undefined;
}

function reversed(domain: string | undefined): readonly string[] | undefined {
  if (!isHost(domain)) return undefined;
  // The dot that ends a full name stands for no label.
  const labels = domain?.replace(/\.$/, '').split('.').reverse();
  return labels?.every(label => label !== '') ? labels : undefined;
}
