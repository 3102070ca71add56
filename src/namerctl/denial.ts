/** Statuses 401 and 403: namerd does not accept the credentials, or does not allow the request. The advice is the hint below the message. */
import { LinkerdTcpError } from '../errors.ts';
import type { Connection } from './connection.ts';

const waysToGive = '--token-file, NAMERCTL_TOKEN, NAMERCTL_TOKEN_FILE, or token-file in .namerctl.yaml';

/**
 * @param challenge the header WWW-Authenticate
 * @returns undefined for other statuses
 */
export function denial(
  details: { readonly url: string; readonly status: number; readonly body: string },
  connection: Connection,
  challenge?: string,
): LinkerdTcpError | undefined {
  if (details.status === 401)
    return new LinkerdTcpError('NAMERD_UNAUTHORIZED', { ...details, advice: whoYouAre(connection, challenge) });
  if (details.status === 403)
    return new LinkerdTcpError('NAMERD_FORBIDDEN', { ...details, advice: whatYouMay(connection) });
  return undefined;
}

function whoYouAre({ token, withheld, headers }: Connection, challenge = 'Bearer'): string {
  if (token === undefined && 'authorization' in headers)
    return 'It does not take the user and password of the base URL.';
  if (/\bbasic\b/i.test(challenge) && !/\bbearer\b/i.test(challenge))
    return 'It asks for a user and a password: they go into the base URL, https://USER:PASSWORD@HOST.';
  if (withheld !== undefined)
    return `The token of ${withheld} is for the base URL there; send it here with --token-file.`;
  if (token === undefined) return `Give a token with ${waysToGive}.`;
  return `It does not take the token of ${token.origin}: wrong, expired, or of another namerd.`;
}

const whatYouMay = ({ token }: Connection): string =>
  token === undefined
    ? `Perhaps it wants a token: ${waysToGive}.`
    : `Ask its operator for the permissions of the token of ${token.origin}.`;
