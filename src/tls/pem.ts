/** PEM: which blocks a file has. Source: RFC 7468, and RFC 1421 for the headers of old encrypted keys. */

export interface PemBlock {
  /** `CERTIFICATE`, `PRIVATE KEY`, … */
  readonly label: string;
  /** The whole block, newline at the end. */
  readonly text: string;
}

const block = /-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----/g;

export const pemBlocks = (text: string): PemBlock[] =>
  // Headers like `DEK-Info: AES-128-CBC,…` have dashes of their own.
  [...text.replace(/^(?:Proc-Type|DEK-Info):.*$/gm, line => line.replaceAll('-', '\u2010')).matchAll(block)].map(
    ([found, label]) => ({ label, text: `${found.replaceAll('\u2010', '-').replaceAll('\r\n', '\n')}\n` }),
  );

/** The kind of content found instead of the expected blocks, for a message. */
export function whatIsThere(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'it is empty';
  // DER begins with a sequence of a length of two bytes.
  if (bytes[0] === 0x30 && (bytes[1] & 0x80) !== 0) return 'it is binary (DER or PKCS#12); convert it with openssl';
  const text = Buffer.from(bytes).toString('latin1');
  const labels = [...new Set(pemBlocks(text).map(({ label }) => label))];
  if (labels.length > 0) return `there is ${labels.join(', ')}`;
  return text.includes('-----BEGIN ') ? 'a block in it is cut short or damaged' : 'it is not PEM';
}
