/**
 * The files of namer `io.l5d.fs`: one address per line, `host port` or `host port * weight`; `#` comments out the rest of a line,
 * blank lines are skipped. The host is a name or a numeric address (no brackets around IPv6).
 */

export interface HostLine {
  readonly host: string;
  readonly port: number;
  /** Absent where the line gives none, which means 1. */
  readonly weight?: number;
}

export class HostsSyntaxError extends Error {
  /** 1-based. */
  readonly line: number;

  constructor(line: number, problem: string) {
    super(problem);
    this.line = line;
  }
}

const portPattern = /^[0-9]{1,5}$/;
const weightPattern = /^(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;
const hostPattern = /^(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]*)|[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?)$/;

/** @throws HostsSyntaxError at the first line that is not one of the above */
export function parseHosts(text: string): readonly HostLine[] {
  return text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .flatMap((line, i) => {
      const tokens = line.replace(/#.*$/s, '').split(/\s+/).filter(Boolean);
      return tokens.length === 0 ? [] : [hostLine(tokens, line.trim(), i + 1)];
    });
}

function hostLine(tokens: readonly string[], line: string, number: number): HostLine {
  const malformed = (problem: string): never => {
    throw new HostsSyntaxError(number, `malformed address: ${line} (${problem})`);
  };
  const [host, port = '', star, weight = ''] = tokens;
  if (!hostPattern.test(host)) malformed(`${host} is neither a host name nor an address`);
  if (!portPattern.test(port) || Number(port) < 1 || Number(port) > 65_535)
    malformed(port === '' ? 'the port is missing' : `${port} is not a port from 1 to 65535`);
  if (star === undefined) return { host, port: Number(port) };
  if (star !== '*' || tokens.length !== 4) malformed('expected: host port, or: host port * weight');
  if (!weightPattern.test(weight) || !Number.isFinite(Number(weight))) malformed(`${weight} is not a weight`);
  return { host, port: Number(port), weight: Number(weight) };
}
