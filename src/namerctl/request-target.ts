/** The request target: a path below the base URL's, and a query. */

/** Like Go's net/url: namerd does not decode namespaces, so characters that may stand in a path stay as they are. */
export function encodeNamespace(namespace: string): string {
  return encodeURIComponent(namespace)
    .replace(/%(?:24|26|2B|2C|2F|3A|3B|3D|40)/g, decodeURIComponent)
    .replace(/[!'()*]/g, char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** The parameters that have a value, after those of the base URL. */
export function target(
  baseUrl: URL,
  path: string,
  parameters: Readonly<Record<string, string | undefined>> = {},
): string {
  const query = new URLSearchParams(baseUrl.search);
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, value);
  return `/api/1${path}${query.size === 0 ? '' : `?${query}`}`;
}

/** The base URL without what must not be shown. */
export const shownUrl = (baseUrl: URL): string => `${baseUrl.origin}${basePath(baseUrl)}`;

export const basePath = (baseUrl: URL): string => baseUrl.pathname.replace(/\/+$/, '');

/** User and password of the base URL, for a proxy in front of namerd, which itself asks for none. */
export function credentials({ username, password }: URL): Readonly<Record<string, string>> {
  if (username === '' && password === '') return {};
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { authorization: `Basic ${Buffer.from(pair, 'utf8').toString('base64')}` };
}
