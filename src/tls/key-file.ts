/** A private key in a PEM file: PKCS#8, PKCS#1 or SEC1, encrypted or not. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import type { ValuePath } from '../config/document.ts';
import { type PemBlock, pemBlocks, whatIsThere } from './pem.ts';
import type { Reading } from './reading.ts';

const leastRsaBits = 2048;
/** They agree on keys or sign with what TLS has no use for. */
const unusable = new Set(['dsa', 'dh', 'x25519', 'x448']);
const curves: readonly string[] = ['prime256v1', 'secp384r1', 'secp521r1'];

export interface KeyFiles {
  readonly privateKey: string;
  readonly passphraseFile?: string | undefined;
}

export function readKey({ privateKey: file, passphraseFile }: KeyFiles, reading: Reading): KeyObject | undefined {
  const place: ValuePath = ['privateKey'];
  const complain = (message: string): undefined => {
    reading.complain(place, message);
    return undefined;
  };
  const bytes = reading.read(file, place);
  const passphrase = passphraseFile === undefined ? undefined : readPassphrase(passphraseFile, reading);
  if (bytes === undefined || (passphraseFile !== undefined && passphrase === undefined)) return undefined;
  const keys = pemBlocks(bytes.toString('latin1')).filter(({ label }) => label.endsWith('PRIVATE KEY'));
  if (keys.length === 0) return complain(`no private key in ${file}: ${whatIsThere(bytes)}`);
  if (keys.length > 1) return complain(`${keys.length} private keys in ${file}; expected one`);
  const [block] = keys;
  if (block.label === 'OPENSSH PRIVATE KEY')
    return complain(`the key in ${file} is one of OpenSSH; convert it with ssh-keygen -p -m PKCS8 -f ${file}`);
  if (isEncrypted(block) && passphrase === undefined)
    return complain(`the key in ${file} is encrypted; add passphraseFile beside it`);
  try {
    const key = createPrivateKey({ key: block.text, ...(isEncrypted(block) && { passphrase }) });
    const unfit = unfitness(key);
    return unfit === undefined ? key : complain(`the key in ${file} ${unfit}`);
  } catch {
    if (!isEncrypted(block)) return complain(`the key in ${file} is damaged`);
    reading.complain(['passphraseFile'], `the passphrase in ${passphraseFile} does not decrypt the key in ${file}`);
    return undefined;
  }
}

const isEncrypted = ({ label, text }: PemBlock): boolean =>
  label === 'ENCRYPTED PRIVATE KEY' || /^Proc-Type: *4, *ENCRYPTED/m.test(text);

function unfitness({
  asymmetricKeyType: type = 'rsa',
  asymmetricKeyDetails: details = {},
}: KeyObject): string | undefined {
  if (unusable.has(type))
    return `is of the kind ${type}, which certificates of TLS cannot have; use RSA, EC or Ed25519`;
  const { modulusLength = leastRsaBits, namedCurve } = details;
  if (modulusLength < leastRsaBits) return `has ${modulusLength} bits; RSA needs at least ${leastRsaBits}`;
  if (type === 'ec' && !curves.includes(namedCurve ?? ''))
    return `is on the curve ${namedCurve ?? 'of its own'}; TLS has P-256, P-384 and P-521`;
  return undefined;
}

/** Everything but the newline at the end. */
function readPassphrase(file: string, reading: Reading): Buffer | undefined {
  const bytes = reading.read(file, ['passphraseFile']);
  if (bytes === undefined) return undefined;
  const end = /\r?\n?$/.exec(bytes.toString('latin1'))!.index;
  if (end === 0) reading.complain(['passphraseFile'], `no passphrase in ${file}: its first line is empty`);
  return end === 0 ? undefined : bytes.subarray(0, end);
}
