/** The parameters a TLS handshake has agreed on. */
export interface TlsRecord {
  readonly version: string;
  readonly cipher: string;
  readonly group: string;
  readonly resumed: boolean;
  /** ALPN; '' without. */
  readonly protocol: string;
  /** By its verified certificate; null without one. */
  readonly peer: { readonly subject: string; readonly names: readonly string[] } | null;
}

/** The record of a connection that has ended: one line of the access log. */
export interface ConnectionRecord {
  /** When it was accepted, milliseconds since the epoch. */
  readonly at: number;
  /** Label of the router. */
  readonly router: string;
  /** Bound `ip:port` of the server. */
  readonly server: string;
  /** Destination name; empty when the connection ended before it had one. */
  readonly dst: string;
  /** `ip:port` of the client. */
  readonly client: string;
  /** `ip:port` of the last endpoint tried; null when none was. */
  readonly endpoint: string | null;
  /** Bound id the endpoint belongs to. */
  readonly branch: string | null;
  /** Accept to destination bound, in ms; -1 when the phase was not reached. */
  readonly bindMs: number;
  /** Bound to connected, retries included, in ms; -1 when the phase was not reached. */
  readonly connectMs: number;
  /** Accept to end, in ms. */
  readonly totalMs: number;
  /** Bytes read from the client. */
  readonly rx: number;
  /** Bytes written to the client. */
  readonly tx: number;
  /** Connects after the first. */
  readonly retries: number;
  /** The server a TLS client asked for; null if the proxy did not read it, or the client named none. */
  readonly serverName: string | null;
  /** TLS with the client, where it ends here, and with the endpoint; null before it is agreed on, or without. */
  readonly tls: TlsRecord | null;
  readonly upstreamTls: TlsRecord | null;
  /** Why it ended: `--` when cleanly, else a pair of letters of the table in end.ts. */
  readonly end: string;
  /** The reason, for the operator, of an end that is not clean. */
  readonly reason: string | null;
}

/** Takes the records of ended sessions. */
export interface RecordSink {
  record(record: ConnectionRecord): void;
  /** Sends on what has been collected. */
  flush(): void;
}
