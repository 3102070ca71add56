/**
 * Certificates and keys read from PEM, and stores of trusted authorities.
 *
 * The roots of a system are many, and the same for most contexts: a store is made once for each text, and shared.
 */
import { pointerOf } from '../kernel/memory.ts';
import { opensslError, takeReason } from './errors.ts';
import { nullPointer, openssl } from './library.ts';

const crlCheck = 0x4n;
const crlCheckAll = 0x8n;

type ReadPem = typeof openssl.PEM_read_bio_X509;

function withPem<T>(pem: string, use: (bio: bigint) => T): T {
  const length = Buffer.byteLength(pem);
  // Memory of no bytes has no address.
  const bytes = Buffer.from(new ArrayBuffer(length + 1));
  bytes.write(pem);
  const bio = openssl.BIO_new_mem_buf(pointerOf(bytes), length);
  if (bio === nullPointer) throw opensslError('memory');
  try {
    return use(bio);
  } finally {
    openssl.BIO_free(bio);
    // The key's text does not stay behind in memory that is free.
    bytes.fill(0);
  }
}

/** Calls back with each object of a kind, which is freed afterwards: a callback that keeps it takes a reference. @returns how many */
function forEachPem(
  pem: string,
  subject: string,
  read: ReadPem,
  free: (object: bigint) => void,
  tell: (object: bigint) => void,
): number {
  return withPem(pem, bio => {
    for (let count = 0; ; count++) {
      const object = read(bio, nullPointer, nullPointer, nullPointer);
      if (object === nullPointer) {
        const reason = takeReason();
        if (reason !== 'no start line') throw new Error(`${subject}: ${reason}`);
        return count;
      }
      try {
        tell(object);
      } finally {
        free(object);
      }
    }
  });
}

export function forEachCertificate(pem: string, subject: string, tell: (certificate: bigint) => void): number {
  return forEachPem(pem, subject, openssl.PEM_read_bio_X509, openssl.X509_free, tell);
}

/** Calls back with the key, which is freed afterwards. */
export function withPrivateKey(pem: string, use: (key: bigint) => void): void {
  withPem(pem, bio => {
    // A pass phrase of '' keeps OpenSSL from asking for one at the terminal.
    const key = openssl.PEM_read_bio_PrivateKey(bio, nullPointer, nullPointer, '');
    if (key === nullPointer) throw opensslError('key');
    try {
      use(key);
    } finally {
      openssl.EVP_PKEY_free(key);
    }
  });
}

export interface TrustStore {
  readonly pointer: bigint;
  readonly key: string;
  users: number;
}

export class TrustStores {
  readonly #stores = new Map<string, TrustStore>();

  /** @throws Error when a certificate or list cannot be read */
  take(trust: string, crls: string): TrustStore {
    const key = `${trust}\n${crls}`;
    let store = this.#stores.get(key);
    if (!store) {
      store = { pointer: makeStore(trust, crls), key, users: 0 };
      this.#stores.set(key, store);
    }
    store.users++;
    return store;
  }

  give(store: TrustStore): void {
    if (--store.users > 0) return;
    this.#stores.delete(store.key);
    openssl.X509_STORE_free(store.pointer);
  }
}

function makeStore(trust: string, crls: string): bigint {
  const store = openssl.X509_STORE_new();
  if (store === nullPointer) throw opensslError('memory');
  try {
    forEachCertificate(trust, 'trusted certificates', certificate => {
      if (openssl.X509_STORE_add_cert(store, certificate) !== 1) throw opensslError('trusted certificates');
    });
    if (crls === '') return store;
    const add = (list: bigint) => {
      if (openssl.X509_STORE_add_crl(store, list) !== 1) throw opensslError('revocation lists');
    };
    const count = forEachPem(crls, 'revocation lists', openssl.PEM_read_bio_X509_CRL, openssl.X509_CRL_free, add);
    if (count === 0) throw new Error('revocation lists: there is none');
    openssl.X509_STORE_set_flags(store, crlCheck | crlCheckAll);
    return store;
  } catch (error) {
    openssl.X509_STORE_free(store);
    throw error;
  }
}
