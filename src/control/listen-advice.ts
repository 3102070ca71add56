/** Advice for the operator if the proxy cannot listen on an address. */
import { LinkerdTcpError } from '../errors.ts';

const steps: Readonly<Record<string, string>> = {
  EADDRINUSE: 'see who has it with "ss -ltnp", or change',
  EACCES: 'ports below 1024 need the capability CAP_NET_BIND_SERVICE; allow it, or change',
  EADDRNOTAVAIL: 'no interface of this machine has that address; change',
};

/** @returns the error, with the next step and the key to change, when it is about listening; `portKey` asks for the port */
export function adviseOnListening(error: unknown, portKey: string): unknown {
  if (!(error instanceof LinkerdTcpError && error.code === 'CANNOT_LISTEN')) return error;
  const { address, reason } = error.details;
  const errno = Object.keys(steps).find(code => String(reason).includes(code));
  const key = errno === 'EADDRNOTAVAIL' ? portKey.replace(/port$/, 'ip') : portKey;
  const advice = `${errno === undefined ? 'see' : steps[errno]} ${key}`;
  return new LinkerdTcpError('CANNOT_LISTEN', { address, reason: `${reason}; ${advice}` }, { cause: error });
}
