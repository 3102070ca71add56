/**
 * The OpenSSL inside the node binary, through `node:ffi`: one typed place for all of its functions.
 *
 * Functions called for every chunk have up to three arguments, 32-bit numbers or pointers, for which node:ffi has a quicker way
 * (bench/ffi-call.ts). Strings are copied for the time of the call. A pointer of 0n is OpenSSL's null.
 * Importing this module loads node:ffi, and throws where the node binary has no OpenSSL of its own to be found.
 */
import * as ffi from 'node:ffi';

const { functions, lib } = ffi.dlopen(null as unknown as string, {
  // Contexts.
  TLS_server_method: { arguments: [], return: 'pointer' },
  TLS_client_method: { arguments: [], return: 'pointer' },
  SSL_CTX_new: { arguments: ['pointer'], return: 'pointer' },
  SSL_CTX_free: { arguments: ['pointer'], return: 'void' },
  SSL_CTX_ctrl: { arguments: ['pointer', 'i32', 'i64', 'pointer'], return: 'i64' },
  SSL_CTX_callback_ctrl: { arguments: ['pointer', 'i32', 'pointer'], return: 'i64' },
  SSL_CTX_set_options: { arguments: ['pointer', 'u64'], return: 'u64' },
  SSL_CTX_set_timeout: { arguments: ['pointer', 'i64'], return: 'i64' },
  SSL_CTX_set_num_tickets: { arguments: ['pointer', 'u64'], return: 'i32' },
  SSL_CTX_set_cipher_list: { arguments: ['pointer', 'string'], return: 'i32' },
  SSL_CTX_set_ciphersuites: { arguments: ['pointer', 'string'], return: 'i32' },
  SSL_CTX_use_certificate: { arguments: ['pointer', 'pointer'], return: 'i32' },
  SSL_CTX_use_PrivateKey: { arguments: ['pointer', 'pointer'], return: 'i32' },
  SSL_CTX_check_private_key: { arguments: ['pointer'], return: 'i32' },
  SSL_CTX_set_verify: { arguments: ['pointer', 'i32', 'pointer'], return: 'void' },
  SSL_CTX_set1_cert_store: { arguments: ['pointer', 'pointer'], return: 'void' },
  SSL_CTX_add_client_CA: { arguments: ['pointer', 'pointer'], return: 'i32' },
  SSL_CTX_set_session_id_context: { arguments: ['pointer', 'pointer', 'i32'], return: 'i32' },
  SSL_CTX_set_alpn_protos: { arguments: ['pointer', 'pointer', 'i32'], return: 'i32' },
  SSL_CTX_set_alpn_select_cb: { arguments: ['pointer', 'pointer', 'pointer'], return: 'void' },
  SSL_CTX_set_tlsext_ticket_key_evp_cb: { arguments: ['pointer', 'pointer'], return: 'i32' },
  SSL_CTX_sess_set_new_cb: { arguments: ['pointer', 'pointer'], return: 'void' },

  // Connections.
  SSL_new: { arguments: ['pointer'], return: 'pointer' },
  SSL_free: { arguments: ['pointer'], return: 'void' },
  SSL_set_bio: { arguments: ['pointer', 'pointer', 'pointer'], return: 'void' },
  SSL_set_accept_state: { arguments: ['pointer'], return: 'void' },
  SSL_set_connect_state: { arguments: ['pointer'], return: 'void' },
  SSL_ctrl: { arguments: ['pointer', 'i32', 'i64', 'pointer'], return: 'i64' },
  SSL_set1_host: { arguments: ['pointer', 'string'], return: 'i32' },
  SSL_set_hostflags: { arguments: ['pointer', 'i32'], return: 'void' },
  SSL_get0_param: { arguments: ['pointer'], return: 'pointer' },
  SSL_do_handshake: { arguments: ['pointer'], return: 'i32' },
  SSL_read: { arguments: ['pointer', 'pointer', 'i32'], return: 'i32' },
  SSL_write: { arguments: ['pointer', 'pointer', 'i32'], return: 'i32' },
  SSL_pending: { arguments: ['pointer'], return: 'i32' },
  SSL_want: { arguments: ['pointer'], return: 'i32' },
  SSL_get_error: { arguments: ['pointer', 'i32'], return: 'i32' },
  SSL_in_init: { arguments: ['pointer'], return: 'i32' },
  SSL_get_shutdown: { arguments: ['pointer'], return: 'i32' },
  SSL_shutdown: { arguments: ['pointer'], return: 'i32' },
  SSL_set_shutdown: { arguments: ['pointer', 'i32'], return: 'void' },
  SSL_version: { arguments: ['pointer'], return: 'i32' },
  SSL_get_version: { arguments: ['pointer'], return: 'pointer' },
  SSL_get_current_cipher: { arguments: ['pointer'], return: 'pointer' },
  SSL_CIPHER_get_name: { arguments: ['pointer'], return: 'pointer' },
  SSL_get0_group_name: { arguments: ['pointer'], return: 'pointer' },
  SSL_get0_alpn_selected: { arguments: ['pointer', 'pointer', 'pointer'], return: 'void' },
  SSL_session_reused: { arguments: ['pointer'], return: 'i32' },
  SSL_set_info_callback: { arguments: ['pointer', 'pointer'], return: 'void' },
  SSL_get_verify_result: { arguments: ['pointer'], return: 'i64' },
  SSL_get0_peer_certificate: { arguments: ['pointer'], return: 'pointer' },
  SSL_select_next_proto: {
    arguments: ['pointer', 'pointer', 'pointer', 'u32', 'pointer', 'u32'],
    return: 'i32',
  },

  // Sessions of clients.
  SSL_set_session: { arguments: ['pointer', 'pointer'], return: 'i32' },
  SSL_SESSION_get_protocol_version: { arguments: ['pointer'], return: 'i32' },
  SSL_SESSION_free: { arguments: ['pointer'], return: 'void' },

  // Memory instead of sockets.
  BIO_s_mem: { arguments: [], return: 'pointer' },
  BIO_new: { arguments: ['pointer'], return: 'pointer' },
  BIO_new_mem_buf: { arguments: ['pointer', 'i32'], return: 'pointer' },
  BIO_up_ref: { arguments: ['pointer'], return: 'i32' },
  BIO_free: { arguments: ['pointer'], return: 'i32' },
  BIO_ctrl: { arguments: ['pointer', 'i32', 'i64', 'pointer'], return: 'i64' },
  BIO_read: { arguments: ['pointer', 'pointer', 'i32'], return: 'i32' },

  // Certificates, keys, and trusted authorities.
  PEM_read_bio_X509: { arguments: ['pointer', 'pointer', 'pointer', 'pointer'], return: 'pointer' },
  PEM_read_bio_X509_CRL: { arguments: ['pointer', 'pointer', 'pointer', 'pointer'], return: 'pointer' },
  PEM_read_bio_PrivateKey: { arguments: ['pointer', 'pointer', 'pointer', 'string'], return: 'pointer' },
  EVP_PKEY_free: { arguments: ['pointer'], return: 'void' },
  X509_free: { arguments: ['pointer'], return: 'void' },
  X509_CRL_free: { arguments: ['pointer'], return: 'void' },
  i2d_X509: { arguments: ['pointer', 'pointer'], return: 'i32' },
  X509_STORE_new: { arguments: [], return: 'pointer' },
  X509_STORE_free: { arguments: ['pointer'], return: 'void' },
  X509_STORE_add_cert: { arguments: ['pointer', 'pointer'], return: 'i32' },
  X509_STORE_add_crl: { arguments: ['pointer', 'pointer'], return: 'i32' },
  X509_STORE_set_flags: { arguments: ['pointer', 'u64'], return: 'i32' },
  X509_VERIFY_PARAM_set1_ip_asc: { arguments: ['pointer', 'string'], return: 'i32' },

  // Tickets.
  EVP_CIPHER_fetch: { arguments: ['pointer', 'string', 'pointer'], return: 'pointer' },
  EVP_EncryptInit_ex: { arguments: ['pointer', 'pointer', 'pointer', 'pointer', 'pointer'], return: 'i32' },
  EVP_DecryptInit_ex: { arguments: ['pointer', 'pointer', 'pointer', 'pointer', 'pointer'], return: 'i32' },
  EVP_MAC_CTX_set_params: { arguments: ['pointer', 'pointer'], return: 'i32' },
  RAND_bytes: { arguments: ['pointer', 'i32'], return: 'i32' },

  // Memory that OpenSSL is to free, and its errors.
  CRYPTO_malloc: { arguments: ['u64', 'string', 'i32'], return: 'pointer' },
  ERR_get_error: { arguments: [], return: 'u64' },
  ERR_clear_error: { arguments: [], return: 'void' },
  ERR_reason_error_string: { arguments: ['u64'], return: 'pointer' },
});

export const openssl = functions;

type ArgumentType = 'pointer' | 'i32' | 'u32';

/** A function OpenSSL may call, on this thread only. Pointers come as BigInts. It must not throw. */
export function registerCallback(types: readonly ArgumentType[], callback: (...values: never[]) => number): bigint {
  return lib.registerCallback({ arguments: types, return: 'i32' }, callback as (...values: unknown[]) => number);
}

export const nullPointer = 0n;

/** A string that OpenSSL never frees; '' for null. */
export function textAt(pointer: bigint): string {
  return pointer === nullPointer ? '' : (ffi.toString(pointer) ?? '');
}

/** The same memory, for as long as it is there. */
export function bytesAt(pointer: bigint, length: number): Uint8Array {
  return new Uint8Array(ffi.toArrayBuffer(pointer, length, false));
}
