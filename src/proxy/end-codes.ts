/**
 * Why a session ended: a pair of letters, *when* and *who*, in the manner of HAProxy's tcplog. Every session ends with exactly one.
 *
 * when: G greeting (the ClientHello that names the server is being read), H handshake (TLS with the client), N naming (the destination is not known yet), C connecting, R relaying, F half-closed or flushing
 * who:  C client, U upstream, N naming, T a timeout, L the lifetime limit, D drain (the proxy stops), R a resource limit,
 *       X a side that broke off without TLS's close_notify, P the protocol (not TLS, without the name that is needed, or no agreement), I an internal error
 */
interface End {
  readonly text: string;
  /** The `cause` label of the series kept from linkerd-tcp 0.1: it knew only these two. */
  readonly legacy: 'timeout' | 'other' | null;
}

export const ends = {
  '--': { text: 'both sides finished', legacy: null },
  GC: { text: 'the client left before it had said which server it wants', legacy: 'other' },
  GP: { text: 'refused: no ClientHello, or one without a server name', legacy: 'other' },
  GT: { text: 'no whole ClientHello within helloTimeoutMs', legacy: 'timeout' },
  GD: { text: 'cut off before it was known which server it wants, because the proxy stopped', legacy: 'other' },
  HC: { text: 'the client left during the TLS handshake', legacy: 'other' },
  HP: { text: 'the TLS handshake with the client failed', legacy: 'other' },
  HT: { text: 'TLS handshake not done within handshakeTimeoutMs', legacy: 'timeout' },
  HD: { text: 'cut off during the TLS handshake, because the proxy stopped', legacy: 'other' },
  NC: { text: 'the client left before the destination was known', legacy: 'other' },
  NN: { text: 'the name has no endpoint: it names nothing, or an empty set', legacy: 'other' },
  NT: { text: 'the destination was not known within connectTimeoutMs', legacy: 'timeout' },
  NR: { text: 'refused: maxWaiters connections wait already', legacy: 'other' },
  ND: { text: 'cut off while waiting for the destination, because the proxy stopped', legacy: 'other' },
  CC: { text: 'the client left while the upstream connection was being made', legacy: 'other' },
  CU: { text: 'no endpoint accepted the connection, with all retries', legacy: 'other' },
  CT: { text: 'no upstream connection within connectTimeoutMs', legacy: 'timeout' },
  CD: { text: 'cut off while connecting, because the proxy stopped', legacy: 'other' },
  RC: { text: 'the client reset the connection', legacy: 'other' },
  RU: { text: 'the upstream reset the connection', legacy: 'other' },
  RX: { text: 'a side closed without close_notify: what it sent may not be all', legacy: null },
  RT: { text: 'no byte in either direction for idleTimeoutMs', legacy: 'timeout' },
  RL: { text: 'connectionLifetimeSecs are over', legacy: 'timeout' },
  RD: { text: 'cut off after graceSecs, because the proxy stopped', legacy: 'other' },
  FC: { text: 'the client reset the half-closed connection', legacy: 'other' },
  FU: { text: 'the upstream reset the half-closed connection', legacy: 'other' },
  FX: {
    text: 'half-closed, and the other side closed without close_notify: what it sent may not be all',
    legacy: null,
  },
  FT: { text: 'half-closed, and no byte for finTimeoutMs', legacy: 'timeout' },
  FL: { text: 'half-closed when connectionLifetimeSecs were over', legacy: 'timeout' },
  FD: { text: 'half-closed and cut off after graceSecs, because the proxy stopped', legacy: 'other' },
  II: { text: 'internal error: please report it', legacy: 'other' },
} as const satisfies Record<string, End>;

export type EndCode = keyof typeof ends;

export const endCodes = Object.keys(ends) as EndCode[];

/** Position of each code in {@link endCodes}: the offset of its counter. */
export const endIndex = Object.fromEntries(endCodes.map((code, i) => [code, i])) as Readonly<Record<EndCode, number>>;

/** In the order of the `cause` label of `l5d:srv:connect:failure` and `l5d:srv:stream:failure`. */
export const legacyCauses = ['timeout', 'other'] as const;
