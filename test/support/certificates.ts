/**
 * A certificate authority for tests: keys by Node, certificates, revocation lists and OCSP answers by Debian's `openssl`, all
 * as files in a directory that is deleted when the test ends.
 *
 * Valid from an hour ago, for ninety days, unless a request says otherwise. Nothing is cached: an authority belongs to its test.
 */
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from '../../scripts/debian-packages.ts';
import type { Scope } from './scope.ts';
import { tempDir } from './temp-dir.ts';

export interface Validity {
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** From now, instead of `notAfter`; less than 0 for what has expired. */
  readonly days?: number;
}

export interface KeyRequest {
  /** P-256 or 2048 bits by default. */
  readonly key?: 'rsa' | 'ec' | 'ed25519';
  /** How the private key is written: `pkcs1` only for RSA, `sec1` only for EC. */
  readonly keyFormat?: 'pkcs1' | 'pkcs8' | 'sec1';
  /** Encrypts the private key. */
  readonly passphrase?: string;
}

export interface AuthorityRequest extends Validity, KeyRequest {}

export interface CertificateRequest extends Validity, KeyRequest {
  /** DNS names, wildcards too. */
  readonly names?: readonly string[];
  readonly ips?: readonly string[];
  readonly uris?: readonly string[];
  /** As openssl writes it, `/O=Example/CN=client`; else the first name as CN. */
  readonly subject?: string;
  /** For a client to show, not a server. */
  readonly client?: boolean;
}

export interface Issued {
  /** PEM of the certificate and the intermediate authorities above it, without the root. */
  readonly chain: string;
  /** PEM of the certificate alone. */
  readonly certificate: string;
  readonly key: string;
  /** Where `chain` is. */
  readonly certFile: string;
  readonly keyFile: string;
}

export interface Authority {
  readonly name: string;
  /** PEM of its own certificate. */
  readonly certificate: string;
  /** Where `certificate` is: what to trust. */
  readonly file: string;
  issue(request?: CertificateRequest): Issued;
  /** An authority whose certificate this one has signed. */
  intermediate(name: string, request?: AuthorityRequest): Authority;
  revoke(issued: Pick<Issued, 'certFile'>): void;
  /** PEM of the list of what was revoked so far. */
  crl(validity?: Validity): string;
  /** DER of a signed answer about a certificate it has issued: good, or revoked. */
  ocspResponse(issued: Pick<Issued, 'certFile'>, options?: { readonly days?: number }): Buffer;
}

export function createAuthority(t: Scope, name = 'Test CA', request: AuthorityRequest = {}): Authority {
  const folder = newFolder(tempDir(t).path, name);
  const privateKey = writeKey(folder, 'ca', request);
  const csr = signingRequest(folder, 'ca', `/CN=${name}`, privateKey);
  const certificate = sign(folder, { csr, out: 'ca', extensions: authorityExtensions, validity: request }, '-selfsign');
  return new FileAuthority(name, folder, certificate, '');
}

class FileAuthority implements Authority {
  readonly name: string;
  readonly certificate: string;
  readonly file: string;
  readonly #folder: string;
  /** The certificates to send after one of its own, up to but without the root. */
  readonly #above: string;
  #issued = 0;

  constructor(name: string, folder: string, certificate: string, above: string) {
    this.name = name;
    this.#folder = folder;
    this.certificate = certificate;
    this.file = join(folder, 'ca.pem');
    this.#above = above;
  }

  issue(request: CertificateRequest = {}): Issued {
    const { names = [], ips = [], uris = [] } = request;
    const id = `issued-${++this.#issued}`;
    const file = (ending: string): string => join(this.#folder, `${id}${ending}`);
    const privateKey = writeKey(this.#folder, id, request);
    const subject = request.subject ?? `/CN=${names[0] ?? ips[0] ?? id}`;
    const csr = signingRequest(this.#folder, id, subject, privateKey);
    const certificate = sign(this.#folder, {
      ...{ csr, out: id, validity: request },
      extensions: leafExtensions({ names, ips, uris }, request.client === true),
    });
    const chain = certificate + this.#above;
    writeFileSync(file('.pem'), chain);
    return {
      ...{ chain, certificate, certFile: file('.pem'), keyFile: file('.key') },
      key: readFileSync(file('.key'), 'utf8'),
    };
  }

  intermediate(name: string, request: AuthorityRequest = {}): Authority {
    const folder = newFolder(join(this.#folder, `below-${++this.#issued}`), name);
    const privateKey = writeKey(folder, 'ca', request);
    const csr = signingRequest(folder, 'ca', `/CN=${name}`, privateKey);
    const out = `authority-${this.#issued}`;
    const certificate = sign(this.#folder, { csr, out, extensions: authorityExtensions, validity: request });
    writeFileSync(join(folder, 'ca.pem'), certificate);
    return new FileAuthority(name, folder, certificate, certificate + this.#above);
  }

  revoke({ certFile }: Pick<Issued, 'certFile'>): void {
    openssl(this.#folder, ['ca', '-config', 'ca.cnf', '-revoke', certFile]);
  }

  crl(validity: Validity = {}): string {
    const { from, to } = moments(validity);
    const list = ['-gencrl', '-crl_lastupdate', from, '-crl_nextupdate', to, '-out', 'crl.pem'];
    openssl(this.#folder, ['ca', '-config', 'ca.cnf', ...list]);
    return readFileSync(join(this.#folder, 'crl.pem'), 'utf8');
  }

  ocspResponse({ certFile }: Pick<Issued, 'certFile'>, { days = 7 } = {}): Buffer {
    openssl(this.#folder, [
      ...['ocsp', '-index', 'index.txt', '-CA', 'ca.pem', '-rsigner', 'ca.pem', '-rkey', 'ca-signing.key'],
      ...[
        '-issuer',
        'ca.pem',
        '-cert',
        certFile,
        '-ndays',
        String(days),
        '-no_nonce',
        '-noverify',
        '-respout',
        'ocsp.der',
      ],
    ]);
    return readFileSync(join(this.#folder, 'ocsp.der'));
  }
}

/** The database of `openssl ca`. */
function newFolder(folder: string, name: string): string {
  mkdirSync(join(folder, 'certs'), { recursive: true });
  writeFileSync(join(folder, 'index.txt'), '');
  writeFileSync(join(folder, 'serial'), '1000\n');
  writeFileSync(join(folder, 'crlnumber'), '1000\n');
  writeFileSync(join(folder, 'ca.cnf'), authorityConfig(name));
  return folder;
}

/** Names are signed as they are asked for (`-preserveDN`): the policy has to be there, and would drop what it does not list. */
const authorityConfig = (name: string): string => `# ${name}
[req]
distinguished_name = empty
[empty]
[ca]
default_ca = authority
[authority]
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = certs
certificate = ca.pem
private_key = ca-signing.key
default_md = default
unique_subject = no
policy = any
crl_extensions = list
[any]
commonName = optional
[list]
authorityKeyIdentifier = keyid
`;

const authorityExtensions = `basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign, digitalSignature
subjectKeyIdentifier = hash
`;

type AlternativeNames = Readonly<Record<'names' | 'ips' | 'uris', readonly string[]>>;

function leafExtensions({ names, ips, uris }: AlternativeNames, isClient: boolean): string {
  const alternatives = [
    ...names.map((name, i) => `DNS.${i} = ${name}`),
    ...ips.map((ip, i) => `IP.${i} = ${ip}`),
    ...uris.map((uri, i) => `URI.${i} = ${uri}`),
  ];
  return [
    'basicConstraints = critical, CA:FALSE',
    'keyUsage = critical, digitalSignature',
    `extendedKeyUsage = ${isClient ? 'clientAuth' : 'serverAuth'}`,
    'subjectKeyIdentifier = hash',
    'authorityKeyIdentifier = keyid',
    ...(alternatives.length === 0 ? [] : ['subjectAltName = @alternatives', '[alternatives]', ...alternatives]),
    '',
  ].join('\n');
}

/** Writes `<id>.key` as asked for, and `<id>-signing.key` for openssl to work with. @returns the file of the latter. */
function writeKey(folder: string, id: string, request: KeyRequest): string {
  const { key = 'ec', keyFormat = 'pkcs8', passphrase } = request;
  const privateKey = generate(key);
  const encryption = passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase };
  const pem = privateKey.export({ type: keyFormat, format: 'pem', ...encryption });
  writeFileSync(join(folder, `${id}.key`), pem, { mode: 0o600 });
  const signing = `${id}-signing.key`;
  writeFileSync(join(folder, signing), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  return signing;
}

function generate(kind: NonNullable<KeyRequest['key']>): KeyObject {
  if (kind === 'rsa') return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  if (kind === 'ec') return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  return generateKeyPairSync('ed25519').privateKey;
}

/** @returns the absolute path of the file, because the signing process may run in another directory */
function signingRequest(folder: string, id: string, subject: string, privateKey: string): string {
  const file = join(folder, `${id}.csr`);
  openssl(folder, ['req', '-new', '-config', 'ca.cnf', '-subj', subject, '-key', privateKey, '-out', file]);
  return file;
}

interface Signing {
  readonly csr: string;
  /** The certificate becomes `<out>.pem`. */
  readonly out: string;
  readonly extensions: string;
  readonly validity: Validity;
}

function sign(folder: string, { csr, out, extensions, validity }: Signing, ...more: readonly string[]): string {
  const { from, to } = moments(validity);
  writeFileSync(join(folder, `${out}.ext`), extensions);
  openssl(folder, [
    ...[
      'ca',
      '-config',
      'ca.cnf',
      '-batch',
      '-notext',
      '-preserveDN',
      '-in',
      csr,
      '-out',
      `${out}.pem`,
      '-extfile',
      `${out}.ext`,
    ],
    ...['-startdate', from, '-enddate', to, ...more],
  ]);
  return readFileSync(join(folder, `${out}.pem`), 'utf8');
}

const dayMs = 86_400_000;

function moments({ notBefore, notAfter, days = 90 }: Validity): { readonly from: string; readonly to: string } {
  const to = notAfter ?? new Date(Date.now() + days * dayMs);
  const from = notBefore ?? new Date(Math.min(Date.now(), to.getTime()) - dayMs / 24);
  return { from: asn1Time(from), to: asn1Time(to) };
}

/** `20260102030405Z` */
const asn1Time = (date: Date): string =>
  date.toISOString().replace(/\.\d+Z$|[-:T]/g, found => (found.endsWith('Z') ? 'Z' : ''));

function openssl(cwd: string, args: readonly string[]): void {
  const program = findProgram('openssl');
  if (program === undefined) throw new Error('openssl is not installed; `npm test` installs it or says what to type');
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`openssl ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`);
}
