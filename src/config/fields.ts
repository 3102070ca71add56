/** Values that many configuration keys have, each with the sentence for what it expects. */
import { isIP, isIPv6 } from 'node:net';
import { z } from 'zod';

/** The longest timer of the platform (24 days). */
export const maxTimerMs = 2_147_483_647;

/** Long enough to mean "never" (100 years), small enough to be added to any clock reading exactly. */
export const maxDurationMs = 100 * 365 * 86_400_000;

export function wholeNumber(min: number, max: number, what: string) {
  const error = `expected ${what}`;
  return z.int(error).min(min, error).max(max, error);
}

/** Port 0 asks the system for a free one. */
export const listenPort = () => wholeNumber(0, 65_535, 'a port, a whole number from 0 to 65535 (0: any free port)');

export const ip = () =>
  z.string('expected an IPv4 or IPv6 address').refine(text => isIP(text) !== 0, {
    error: issue =>
      `expected an IPv4 or IPv6 address, found ${JSON.stringify(issue.input)}; names are not looked up here`,
  });

export const millis = (min = 0) =>
  wholeNumber(min, maxDurationMs, `a whole number of milliseconds${min > 0 ? `, at least ${min}` : ''}`);

export const seconds = (min = 0) =>
  wholeNumber(min, maxDurationMs / 1000, `a whole number of seconds${min > 0 ? `, at least ${min}` : ''}`);

export const count = (min = 0) =>
  wholeNumber(min, 1_000_000_000, `a whole number${min > 0 ? ` of at least ${min}` : ''}`);

export const nonEmpty = (what: string) => z.string(`expected ${what}`).min(1, `expected ${what}`);

/** Text that another room parses. The parser throws; an `offset` on its error points into the text. */
export const parsedText = (what: string, parse: (text: string) => unknown) =>
  z.string(`expected ${what}`).superRefine((text, context) => {
    try {
      parse(text);
    } catch (error) {
      const { message, offset } = error as Error & { offset?: number };
      context.addIssue({ code: 'custom', message: `not ${what}: ${message}`, params: { offset } });
    }
  });

/** A host name or an address as it stands in the host part of a URL, an IPv6 address without its brackets. */
export const host = () =>
  z
    .string(expectedHost)
    .refine(text => isIPv6(text) || (/^[^\s/?#@\\:[\]]+$/.test(text) && URL.canParse(`http://${text}`)), {
      error: expectedHost,
    });

const expectedHost = 'expected a host name or an address, without scheme, port, path and brackets';

/** Host names in lower case; none by default. */
export const hostNames = () =>
  z
    .array(
      host().transform(name => name.toLowerCase()),
      'expected a list of host names',
    )
    .default([]);
