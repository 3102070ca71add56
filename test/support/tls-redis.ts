/** Real redis-servers that speak TLS, with a plain port beside it to look into them, and redis-cli. */
import assert from 'node:assert/strict';
import type { Authority, Issued } from './certificates.ts';
import { freePort } from './ports.ts';
import { runProgram } from './process.ts';
import { type Redis, startRedis } from './redis.ts';
import type { Scope } from './scope.ts';

export interface TlsRedis extends Redis {
  readonly tlsPort: number;
}

export async function startTlsRedis(
  t: Scope,
  { certFile, keyFile }: Issued,
  ca: Authority,
  clientAuth: 'yes' | 'no' = 'no',
): Promise<TlsRedis> {
  const tlsPort = await freePort();
  const redis = await startRedis(t);
  const settings = {
    'tls-cert-file': certFile,
    'tls-key-file': keyFile,
    'tls-ca-cert-file': ca.file,
    'tls-auth-clients': clientAuth,
    'tls-port': String(tlsPort),
  };
  await redisCli(t, redis.port, [], ['CONFIG', 'SET', ...Object.entries(settings).flat()]);
  return { ...redis, tlsPort };
}

/** The answer of redis-cli, which is trusted to fail when there is none. */
export async function redisCli(
  t: Scope,
  port: number,
  options: readonly string[],
  command: readonly string[],
): Promise<string> {
  const { code, output } = await runProgram(t, 'redis-cli', [
    ...['-h', '127.0.0.1', '-p', String(port), '-e'],
    ...options,
    ...command,
  ]);
  assert.equal(code, 0, `redis-cli ${command.join(' ')}: ${output}`);
  return output.trim();
}
