/**
 * `--check`: what a start would refuse, without starting anything.
 *
 * Problems end it with exit code 78. Warnings are printed and do not, unless `--strict` is given. `--live` also tries every address
 * to listen on for a moment; one that cannot be used ends it with 69.
 */
import { once } from 'node:events';
import { createServer, isIPv6 } from 'node:net';
import { adviseOnListening } from '../control/listen-advice.ts';
import { LinkerdTcpError, reasonOf } from '../errors.ts';
import { exitCodes } from './exit-codes.ts';

/** An address of the configuration, and the key that changes it. */
export interface WantedAddress {
  readonly key: string;
  readonly ip: string;
  readonly port: number;
}

export interface CheckOptions {
  readonly program: string;
  /** As the operator named it. */
  readonly file: string;
  readonly strict?: boolean | undefined;
  readonly live?: boolean | undefined;
  /** Loads the configuration. @throws LinkerdTcpError CONFIG_INVALID */
  readonly load: (warned: (warning: string) => void) => readonly WantedAddress[];
}

/** @returns the exit code */
export async function checkConfig({ program, file, strict, live, load }: CheckOptions): Promise<number> {
  const warnings: string[] = [];
  const addresses = load(warning => warnings.push(warning));
  const taken = live ? await unusable(addresses) : [];
  const verdict = warnings.length === 0 ? '' : `, with ${warnings.length} warning${warnings.length === 1 ? '' : 's'}`;
  process.stdout.write(`${program}: ${file} is valid${verdict}\n`);
  for (const warning of warnings) process.stderr.write(`  ${warning}\n`);
  for (const problem of taken) process.stderr.write(`${program}: ${problem}\n`);
  if (taken.length > 0) return exitCodes.unavailable.code;
  return strict && warnings.length > 0 ? exitCodes.config.code : exitCodes.ok.code;
}

/** The reason for each address that cannot be used. All sockets stay open until the last address has been tried. */
async function unusable(addresses: readonly WantedAddress[]): Promise<readonly string[]> {
  const held: ReturnType<typeof createServer>[] = [];
  const problems: string[] = [];
  for (const { key, ip, port } of addresses) {
    const server = createServer();
    held.push(server);
    try {
      await once(server.listen(port, ip), 'listening');
    } catch (error) {
      const address = `${isIPv6(ip) ? `[${ip}]` : ip}:${port}`;
      const details = { address, reason: reasonOf(error).replace(/^listen /, '') };
      problems.push(reasonOf(adviseOnListening(new LinkerdTcpError('CANNOT_LISTEN', details), key)));
    }
  }
  for (const server of held) server.close();
  return problems;
}
