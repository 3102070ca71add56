/** Suites: rows that are measured together, with their own proxies and one report. */
import { plainRows } from './plain-rows.ts';
import type { Row, Size } from './row.ts';
import { tlsRows } from './tls-rows.ts';
import type { BulkServer } from './upstreams.ts';

export interface Suite {
  readonly name: 'plain-tcp' | 'tls';
  /** Whether the proxies terminate TLS on every port. */
  readonly isTls: boolean;
  readonly bulk: BulkServer;
  /** Under the title of the picture. */
  readonly subtitle: string;
  rows(size: Size): readonly Row[];
}

export const suites: readonly Suite[] = [
  {
    name: 'plain-tcp',
    isTls: false,
    bulk: 'iperf3',
    subtitle:
      'Work per CPU second of the proxy; latency, memory and CPU per request turned over. Bulk against HAProxy with splice.',
    rows: plainRows,
  },
  {
    name: 'tls',
    isTls: true,
    bulk: 'bulk-peer',
    subtitle: 'TLS 1.3 from clients, none to servers: work per CPU second of the proxy; memory turned over.',
    rows: tlsRows,
  },
];
