/** Settings of every command, each with its source: a flag, the environment, or the configuration file. */
import { dirname, resolve } from 'node:path';
import { LinkerdTcpError } from '../errors.ts';
import { type ConfigFile, readConfigFile } from './config-file.ts';
import type { SettingKey } from './setting-keys.ts';
import type { Terminal } from './terminal.ts';

/** The flags every command takes, as they were given. */
export interface CommonFlags {
  readonly baseUrl?: string;
  readonly config?: string;
  readonly tokenFile?: string;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly timeout?: string;
  readonly json?: boolean;
}

export interface Setting {
  readonly value: string;
  readonly by: 'flag' | 'environment' | 'file';
  /** For messages: the flag, the variable, or the configuration file. */
  readonly origin: string;
}

export const defaultTimeout = '10s';

/** A flag, else a variable that is not empty, else the configuration file. */
export class Settings {
  readonly flags: CommonFlags;
  readonly terminal: Terminal;
  #file: Promise<ConfigFile | undefined> | undefined;

  constructor(flags: CommonFlags, terminal: Terminal) {
    this.flags = flags;
    this.terminal = terminal;
  }

  /** Read once, and only if something is not set elsewhere. @throws LinkerdTcpError where it cannot be used */
  file(): Promise<ConfigFile | undefined> {
    this.#file ??= readConfigFile(this.terminal, this.flags.config);
    return this.#file;
  }

  async of(key: SettingKey): Promise<Setting | undefined> {
    const flag = this.flags[key.replace(/-./g, letters => letters[1].toUpperCase()) as keyof CommonFlags];
    if (typeof flag === 'string') return { value: flag, by: 'flag', origin: `--${key}` };
    const variable = `NAMERCTL_${key.toUpperCase().replaceAll('-', '_')}`;
    const inEnvironment = this.terminal.env[variable];
    if (inEnvironment) return { value: inEnvironment, by: 'environment', origin: variable };
    const file = await this.file();
    const inFile = file?.values[key];
    return inFile === undefined ? undefined : { value: inFile, by: 'file', origin: file!.file };
  }

  /** The path that is the value of `key`: relative to the configuration file where that has it. */
  async path(key: SettingKey): Promise<Setting | undefined> {
    const setting = await this.of(key);
    if (setting === undefined) return undefined;
    const { value, by, origin } = setting;
    if (value === '') throw new LinkerdTcpError('USAGE_INVALID', { reason: `${labelOf(key, setting)} is empty` });
    return { ...setting, value: resolve(by === 'file' ? dirname(origin) : this.terminal.folder, value) };
  }

  /** `--timeout`, else NAMERCTL_TIMEOUT: `10`, `10s`, `500ms`, `2m`. */
  get timeoutMs(): number {
    const { timeout } = this.flags;
    const text = timeout ?? (this.terminal.env['NAMERCTL_TIMEOUT'] || defaultTimeout);
    const [, amount, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(text) ?? [];
    const ms = Math.round(Number(amount) * unitMs[unit]);
    if (!(ms > 0 && ms < 2 ** 31))
      throw new LinkerdTcpError('USAGE_INVALID', {
        reason: `${timeout === undefined ? 'NAMERCTL_TIMEOUT' : '--timeout'} ${text}: expected a time like 10s, 500ms or 2m`,
      });
    return ms;
  }
}

/** The place where an operator can change it. */
export const labelOf = (key: SettingKey, { by, origin }: Setting): string =>
  by === 'file' ? `${key} in ${origin}` : origin;

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };
