/** Why OpenSSL failed: the queue of errors it keeps for the thread, and the result of certificate verification. */
import { openssl, textAt } from './library.ts';

const tlsLibrary = 20n;

/**
 * Empties the queue. Errors that other code has left there come before those of the last call.
 * @returns the reason of its last error that comes from TLS itself, or else of the last; '' when it is empty
 */
export function takeReason(): string {
  let reason = '';
  let reasonOfTls = '';
  for (let error = openssl.ERR_get_error(); error !== 0n; error = openssl.ERR_get_error()) {
    reason = reasonOf(error);
    // This error gives the place; the one before it gives the reason.
    if (((error >> 23n) & 0xffn) === tlsLibrary && reason !== 'record layer failure') reasonOfTls = reason;
  }
  return reasonOfTls || reason;
}

function reasonOf(error: bigint): string {
  return textAt(openssl.ERR_reason_error_string(error)) || `error ${error.toString(16)}`;
}

/** For what is defined by an operator: `subject` is what it was about. */
export function opensslError(subject: string): Error {
  const reason = takeReason();
  return new Error(reason === '' ? `${subject}: not usable` : `${subject}: ${reason}`);
}

/** @param code result of SSL_get_verify_result @returns the name Node has for it */
export function verificationName(code: bigint): string {
  return verificationNames.get(Number(code)) ?? 'UNSPECIFIED';
}

const verificationNames: ReadonlyMap<number, string> = new Map([
  [2, 'UNABLE_TO_GET_ISSUER_CERT'],
  [3, 'UNABLE_TO_GET_CRL'],
  [4, 'UNABLE_TO_DECRYPT_CERT_SIGNATURE'],
  [5, 'UNABLE_TO_DECRYPT_CRL_SIGNATURE'],
  [6, 'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY'],
  [7, 'CERT_SIGNATURE_FAILURE'],
  [8, 'CRL_SIGNATURE_FAILURE'],
  [9, 'CERT_NOT_YET_VALID'],
  [10, 'CERT_HAS_EXPIRED'],
  [11, 'CRL_NOT_YET_VALID'],
  [12, 'CRL_HAS_EXPIRED'],
  [13, 'ERROR_IN_CERT_NOT_BEFORE_FIELD'],
  [14, 'ERROR_IN_CERT_NOT_AFTER_FIELD'],
  [15, 'ERROR_IN_CRL_LAST_UPDATE_FIELD'],
  [16, 'ERROR_IN_CRL_NEXT_UPDATE_FIELD'],
  [17, 'OUT_OF_MEM'],
  [18, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  [19, 'SELF_SIGNED_CERT_IN_CHAIN'],
  [20, 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
  [21, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  [22, 'CERT_CHAIN_TOO_LONG'],
  [23, 'CERT_REVOKED'],
  [25, 'PATH_LENGTH_EXCEEDED'],
  [26, 'INVALID_PURPOSE'],
  [27, 'CERT_UNTRUSTED'],
  [28, 'CERT_REJECTED'],
  [33, 'UNABLE_TO_GET_CRL_ISSUER'],
  [62, 'HOSTNAME_MISMATCH'],
  [64, 'IP_ADDRESS_MISMATCH'],
  [79, 'INVALID_CA'],
]);
