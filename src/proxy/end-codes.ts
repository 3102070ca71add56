/**
 * Why a session ended: a pair of letters, *when* and *who*, in the manner of HAProxy's tcplog. Every session ends with exactly one.
 *
 * when: G greeting (reading the ClientHello that names the server), H handshake (TLS with the client), N naming (resolving the
 *       destination), C connecting, R relaying, F finishing (half-closed or flushing)
 * who:  C client, U upstream, N naming, T timeout, L lifetime limit, D drain (the proxy stops), R resource limit,
 *       X a side closed without TLS's close_notify, P protocol (no TLS, no usable name, nothing in common), I internal error
 */
interface End {
  readonly text: string;
  /** The `cause` label of the series kept from linkerd-tcp 0.1: it knew only these two. */
  readonly legacy: 'timeout' | 'other' | null;
}

export const ends = {
  '--': { text: 'both sides finished', legacy: null },
  GC: { text: 'the client closed the connection before its ClientHello was complete', legacy: 'other' },
  GP: { text: 'refused: no ClientHello, or no usable server name in it', legacy: 'other' },
  GT: { text: 'no complete ClientHello within helloTimeoutMs', legacy: 'timeout' },
  GD: { text: 'the proxy stopped before the ClientHello was complete', legacy: 'other' },
  HC: { text: 'the client closed the connection during the TLS handshake', legacy: 'other' },
  HP: { text: 'the TLS handshake with the client failed', legacy: 'other' },
  HT: { text: 'no TLS handshake within handshakeTimeoutMs', legacy: 'timeout' },
  HD: { text: 'the proxy stopped during the TLS handshake', legacy: 'other' },
  NC: { text: 'the client closed the connection before the destination was resolved', legacy: 'other' },
  NN: { text: 'the destination has no endpoint', legacy: 'other' },
  NT: { text: 'the destination was not resolved within connectTimeoutMs', legacy: 'timeout' },
  NR: { text: 'refused: maxWaiters connections are already waiting', legacy: 'other' },
  ND: { text: 'the proxy stopped while the connection waited for its destination', legacy: 'other' },
  CC: { text: 'the client closed the connection before an endpoint was connected', legacy: 'other' },
  CU: { text: 'no endpoint accepted the connection, with all retries', legacy: 'other' },
  CT: { text: 'no connection to an endpoint within connectTimeoutMs', legacy: 'timeout' },
  CD: { text: 'the proxy stopped while it connected to an endpoint', legacy: 'other' },
  RC: { text: 'the client reset the connection', legacy: 'other' },
  RU: { text: 'the upstream reset the connection', legacy: 'other' },
  RX: { text: 'one side closed without close_notify', legacy: null },
  RT: { text: 'nothing moved in either direction for idleTimeoutMs', legacy: 'timeout' },
  RL: { text: 'connectionLifetimeSecs have passed', legacy: 'timeout' },
  RD: { text: 'cut off when graceSecs had passed, because the proxy stopped', legacy: 'other' },
  FC: { text: 'one side finished, then the client reset the connection', legacy: null },
  FU: { text: 'one side finished, then the upstream reset the connection', legacy: null },
  FX: { text: 'one side finished, then the other closed without close_notify', legacy: null },
  FT: { text: 'one side finished, then nothing moved for finTimeoutMs', legacy: 'timeout' },
  FL: { text: 'one side finished, then connectionLifetimeSecs passed', legacy: 'timeout' },
  FD: {
    text: 'one side finished; the rest was cut off when graceSecs had passed, because the proxy stopped',
    legacy: 'other',
  },
  II: { text: 'internal error: please report it', legacy: 'other' },
} as const satisfies Record<string, End>;

export type EndCode = keyof typeof ends;

export const endCodes = Object.keys(ends) as EndCode[];

/** Position of each code in {@link endCodes}: the offset of its counter. */
export const endIndex = Object.fromEntries(endCodes.map((code, i) => [code, i])) as Readonly<Record<EndCode, number>>;

/** In the order of the `cause` label of `l5d:srv:connect:failure` and `l5d:srv:stream:failure`. */
export const legacyCauses = ['timeout', 'other'] as const;
