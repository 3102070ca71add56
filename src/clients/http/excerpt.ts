/** What a server says, fit for one message: short, on one line, without our secrets. */

const longest = 300;

/** @param secrets what we sent; a server, or a proxy before it, may repeat it. '' where the body says nothing */
export function excerptOf(body: string, secrets: readonly string[] = []): string {
  // Before it is cut, which could leave a part of a secret.
  const text = withoutSecrets(body, secrets).replace(/\s+/g, ' ').trim();
  return text.length > longest ? `${text.slice(0, longest)}…` : text;
}

export const withoutSecrets = (text: string, secrets: readonly string[]): string =>
  secrets.reduce((rest, secret) => (secret === '' ? rest : rest.replaceAll(secret, '(hidden)')), text);
