/** `sni` of a server: routing by the server name that a TLS client asks for, and what of it only the keys beside it can tell. */
import { z } from 'zod';
import type { ValuePath } from '../../config/document.ts';
import { millis, parsedText, wholeNumber } from '../../config/fields.ts';
import { withFormerKeys } from '../../config/former-keys.ts';
import { type Problem, valueAt } from '../../config/problem.ts';
import { parsePath } from '../../dtab/parse.ts';
import { briefly } from '../shared/brief-parse.ts';
import { parseDstName } from './dst-name.ts';

export const sniConfig = withFormerKeys(
  z.strictObject({
    route: z.literal(true).meta({
      description:
        'read the ClientHello, put the server name in it for `{sni}` in `dstName`, and pass all bytes on unchanged',
    }),
    default: parsedText('a path like /svc/fallback', briefly(parsePath)).optional().meta({
      description: 'the name for clients that send no server name, or an invalid one; without it they are refused',
    }),
    helloTimeoutMs: millis(1).default(5_000).meta({
      description: 'a connection whose ClientHello is not complete this long after accept is ended',
    }),
    maxClientHelloBytes: wholeNumber(512, 131_072, 'a whole number of bytes from 512 to 131072')
      .default(65_536)
      .meta({ description: 'a longer ClientHello is refused' }),
  }),
  { mostHelloBytes: 'maxClientHelloBytes' },
).meta({ description: 'routing by the server name of TLS connections, without ending TLS' });

/** `{sni}` needs the name, and the name `{sni}`. */
export function checkSni(root: unknown, server: ValuePath, complain: (problem: Problem) => void): void {
  const sni: ValuePath = [...server, 'sni'];
  const isGiven = valueAt(root, sni) !== undefined;
  if (isGiven && valueAt(root, [...server, 'tls']) !== undefined) {
    const message = 'not together with tls: routing by server name passes TLS on; remove one of them';
    complain({ path: sni, onKey: true, message });
  }
  const path: ValuePath = [...server, 'dstName'];
  const dstName = valueAt(root, path);
  if (typeof dstName !== 'string' || !isSound(dstName)) return;
  const { variable } = parseDstName(dstName);
  const offset = dstName.indexOf('{');
  const hasTls = valueAt(root, [...server, 'tls']) !== undefined;
  if (variable === 'sni' && !isGiven && !hasTls)
    complain({ path, offset, message: '{sni} needs the key sni beside it: sni: {route: true}, or tls' });
  else if (variable !== null && variable !== 'sni' && !asksForCertificates(root, server))
    complain({ path, offset, message: `{${variable}} needs tls beside it, with clientAuth: required or optional` });
  if (variable !== 'sni' && isGiven)
    complain({
      path,
      message: 'expected {sni} in it, like /svc/{sni}, because sni.route asks for routing by server name',
    });
}

function asksForCertificates(root: unknown, server: ValuePath): boolean {
  const clientAuth = valueAt(root, [...server, 'tls', 'clientAuth']);
  return clientAuth === 'required' || clientAuth === 'optional';
}

/** The schema complains about the others. */
function isSound(dstName: string): boolean {
  try {
    parseDstName(dstName);
    return true;
  } catch {
    return false;
  }
}
