/** What holds for every command: where namerd is, how long to wait, how to print. */
import { LinkerdTcpError } from '../errors.ts';
import { readConfigFile } from './config-file.ts';
import type { Terminal } from './terminal.ts';

/** The flags every command takes, as they were given. */
export interface CommonFlags {
  readonly baseUrl?: string;
  readonly config?: string;
  readonly timeout?: string;
  readonly json?: boolean;
}

export interface BaseUrl {
  readonly url: URL;
  /** Who said so, for messages. */
  readonly origin: string;
}

/** Where our namerd and the original listen unless told otherwise. */
export const defaultBaseUrl = 'http://127.0.0.1:4180';
export const defaultTimeout = '10s';

/** --base-url, else NAMERCTL_BASE_URL, else the configuration file, else the default. */
export function baseUrlOf({ baseUrl, config }: CommonFlags, terminal: Terminal): BaseUrl {
  // A file that is named must be good even where it is not needed.
  const named = config === undefined ? undefined : readConfigFile(terminal, config);
  if (baseUrl !== undefined) return parseBaseUrl(baseUrl, '--base-url');
  const inEnvironment = terminal.env['NAMERCTL_BASE_URL'];
  if (inEnvironment) return parseBaseUrl(inEnvironment, 'NAMERCTL_BASE_URL');
  const found = config === undefined ? readConfigFile(terminal) : named;
  return found ? parseBaseUrl(found.baseUrl, found.file) : { url: new URL(defaultBaseUrl), origin: 'the default' };
}

function parseBaseUrl(text: string, origin: string): BaseUrl {
  const invalid = (reason: string): never => {
    throw new LinkerdTcpError('BASE_URL_INVALID', { url: text || '""', origin, reason });
  };
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    const guess = URL.parse(`http://${text}`);
    return invalid(guess?.host ? `no scheme; did you mean http://${text}?` : `expected one like ${defaultBaseUrl}`);
  }
  const url = URL.parse(text);
  if (!url?.host) return invalid('no host');
  if (!/^https?:$/.test(url.protocol)) return invalid('expected http or https');
  return { url, origin };
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };

/** `--timeout`, else NAMERCTL_TIMEOUT: `10`, `10s`, `500ms`, `2m`. */
export function timeoutMsOf({ timeout }: CommonFlags, { env }: Terminal): number {
  const text = timeout ?? (env['NAMERCTL_TIMEOUT'] || defaultTimeout);
  const [, amount, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(text) ?? [];
  const ms = Math.round(Number(amount) * unitMs[unit]);
  if (!(ms > 0 && ms < 2 ** 31))
    throw new LinkerdTcpError('USAGE_INVALID', {
      reason: `${timeout === undefined ? 'NAMERCTL_TIMEOUT' : '--timeout'} ${text}: expected a time like 10s, 500ms or 2m`,
    });
  return ms;
}
