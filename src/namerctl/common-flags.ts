/** The flags of every command. Their values are read in settings.ts. */

import { defaultBaseUrl } from './base-url.ts';
import type { Flag } from './command-spec.ts';
import { defaultTimeout } from './settings.ts';

export const commonFlags: readonly Flag[] = [
  { flags: '--base-url <url>', description: `where namerd is (default ${defaultBaseUrl})` },
  { flags: '--token-file <file>', description: 'file with the token that says who you are', completes: 'files' },
  { flags: '--tls-ca <file>', description: 'PEM file of the authorities to trust for https', completes: 'files' },
  { flags: '--tls-cert <file>', description: 'PEM file of the certificate to show', completes: 'files' },
  { flags: '--tls-key <file>', description: 'PEM file of its private key', completes: 'files' },
  { flags: '--config <file>', description: 'configuration file to use instead of the nearest', completes: 'files' },
  { flags: '--timeout <time>', description: `for each answer of namerd: 10s, 500ms, 2m (default ${defaultTimeout})` },
  { flags: '--json', description: 'print JSON' },
];
