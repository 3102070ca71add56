/** The keys of a configuration file, whatever its format. */
import { nearest } from '../config/suggest.ts';
import { LinkerdTcpError } from '../errors.ts';

/** The only one of the original is `base-url`. */
export const settingKeys = ['base-url', 'token-file', 'tls-ca', 'tls-cert', 'tls-key'] as const;
export type SettingKey = (typeof settingKeys)[number];

export type Values = Readonly<Partial<Record<SettingKey, string>>>;

export const keyOf = (word: string): SettingKey | undefined => settingKeys.find(key => key === word.toLowerCase());

export function unknownKey(word: string): string {
  if (word.toLowerCase() === 'token')
    return `${word}: a token is not kept in the configuration; name a file that has it with token-file`;
  const meant = nearest(word, settingKeys);
  return `${word}: unknown key; ${meant === undefined ? `there are ${settingKeys.join(', ')}` : `did you mean ${meant}?`}`;
}

export function wrong(file: string, at: { readonly line: number; readonly column: number }, problem: string): never {
  throw new LinkerdTcpError('CONFIG_INVALID', { report: `${file}:${at.line}:${at.column}: ${problem}` });
}
