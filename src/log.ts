/**
 * The program's own log: one line per event on standard error, as text for people or JSON for machines.
 *
 *   2026-11-22T12:00:00.000Z info admin listening on http://127.0.0.1:9989
 *   2026-11-22T12:00:01.000Z warn namerd unreachable, serving the last good state dst=/svc/web reason="connect ECONNREFUSED"
 *
 * A detail named `report` may have several lines; in the text format they follow the line.
 * Environment: LINKERD_TCP_LOG=json, LINKERD_TCP_LOG_LEVEL=error|warn|info. Logging never waits for the reader.
 */
import { pino, stdTimeFunctions } from 'pino';
import { LinkerdTcpError, reasonOf } from './errors.ts';
import { LineSink } from './line-sink.ts';

export const logLevels = ['info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];
export const logFormats = ['text', 'json'] as const;
export type LogFormat = (typeof logFormats)[number];

/** How every part of a program reports to the operator. */
export type Log = Readonly<Record<LogLevel, (message: string, details?: object) => void>>;

/** The log of a whole program. */
export interface ProgramLog extends Log {
  /** Flushes queued lines, for a limited time. Must be the last call. */
  close(): Promise<void>;
}

export interface LogOptions {
  /** Least severe level shown. */
  readonly level?: LogLevel;
  readonly format?: LogFormat;
  /** Receives lines, each with its newline; standard error by default. */
  readonly destination?: { write(line: string): void };
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export function createLog(options: LogOptions = {}): ProgramLog {
  const { format, level } = { ...logEnvironment(options.env), ...options };
  const sink = options.destination === undefined ? LineSink.standard({ destination: 2 }) : undefined;
  const output = options.destination ?? sink!;
  const flushAtExit = (): void => sink?.flushNow();
  process.once('exit', flushAtExit);

  const logger = pino(
    {
      level,
      base: undefined,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
    },
    format === 'json' ? output : { write: line => output.write(textLine(line)) },
  );
  return {
    info: (message, details) => logger.info(plain(details), message),
    warn: (message, details) => logger.warn(plain(details), message),
    error: (message, details) => logger.error(plain(details), message),
    async close() {
      process.off('exit', flushAtExit);
      await sink?.close();
    },
  };
}

/** A log that discards everything. */
export const silentLog: Log = { info() {}, warn() {}, error() {} };

/** What the environment says of the log. @throws LinkerdTcpError ENVIRONMENT_INVALID */
export function logEnvironment(env: LogOptions['env'] = process.env): { format: LogFormat; level: LogLevel } {
  return {
    format: choice(env, 'LINKERD_TCP_LOG', logFormats) ?? 'text',
    level: choice(env, 'LINKERD_TCP_LOG_LEVEL', logLevels) ?? 'info',
  };
}

function choice<T extends string>(
  env: NonNullable<LogOptions['env']>,
  variable: string,
  allowed: readonly T[],
): T | undefined {
  const value = env[variable];
  if (value === undefined || value === '') return undefined;
  const found = allowed.find(each => each === value);
  if (found !== undefined) return found;
  throw new LinkerdTcpError('ENVIRONMENT_INVALID', { variable, value, expected: allowed.join(', ') });
}

/** The detail with several lines of text; in the text format it follows the line unchanged. */
const reportKey = 'report';

/** Replaces errors with their message: an operator never sees a stack trace. */
function plain(details: object | undefined): object {
  if (details === undefined) return {};
  if (details instanceof Error) return { reason: reasonOf(details) };
  return Object.fromEntries(
    Object.entries(details).map(([key, value]) => [key, value instanceof Error ? reasonOf(value) : value]),
  );
}

function textLine(json: string): string {
  const { level, time, msg, [reportKey]: report, ...details } = JSON.parse(json) as Record<string, unknown>;
  const pairs = Object.entries(details).map(([key, value]) => ` ${key}=${textValue(value)}`);
  const below = report === undefined ? '' : `${String(report).split('\n').map(oneLine).join('\n')}\n`;
  return `${time} ${level} ${oneLine(String(msg))}${pairs.join('')}\n${below}`;
}

function textValue(value: unknown): string {
  return typeof value === 'string' && /^[^\s"=\p{Cc}]+$/u.test(value) ? value : oneLine(JSON.stringify(value));
}

/** Escapes control characters: a name or a peer's answer must not move the terminal's cursor or fake a second line. */
const oneLine = (text: string): string =>
  text.replace(/\p{Cc}/gu, each => (each === '\n' ? '\\n' : `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`));
