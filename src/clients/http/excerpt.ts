/** A short excerpt of a body for one message: one line, without the secrets of the request. */

const longest = 300;

/** @param secrets of the request; a server, or a proxy before it, may repeat them. @returns '' for an empty body */
export function excerptOf(body: string, secrets: readonly string[] = []): string {
  // Before it is cut, which could leave a part of a secret.
  const text = withoutSecrets(body, secrets).replace(/\s+/g, ' ').trim();
  return text.length > longest ? `${text.slice(0, longest)}…` : text;
}

export const withoutSecrets = (text: string, secrets: readonly string[]): string =>
  secrets.reduce((rest, secret) => (secret === '' ? rest : rest.replaceAll(secret, '(hidden)')), text);
