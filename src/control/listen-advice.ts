/** Advice for the operator if the proxy cannot listen on an address. */
import { LinkerdTcpError } from '../errors.ts';

const steps: Readonly<Record<string, string>> = {
  EADDRINUSE: 'see who has it with "ss -ltnp", or change',
  EACCES: 'ports below 1024 need the capability CAP_NET_BIND_SERVICE; allow it, or change',
  EADDRNOTAVAIL: 'no interface of this machine has that address; change',
};

/** @returns the error, with the next step and the key that asks for the address, when it is about listening */
export function adviseOnListening(error: unknown, key: string): unknown {
  if (!(error instanceof LinkerdTcpError && error.code === 'CANNOT_LISTEN')) return error;
  const { address, reason } = error.details;
  const errno = Object.keys(steps).find(code => String(reason).includes(code));
  const advice = `${errno === undefined ? 'see' : steps[errno]} ${key}`;
  return new LinkerdTcpError('CANNOT_LISTEN', { address, reason: `${reason}; ${advice}` }, { cause: error });
}
