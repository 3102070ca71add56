/** The flags of every command. Their values are read in settings.ts. */
import type { Flag } from './command-spec.ts';
import { defaultBaseUrl, defaultTimeout } from './settings.ts';

export const commonFlags: readonly Flag[] = [
  { flags: '--base-url <url>', description: `where namerd is (default ${defaultBaseUrl})` },
  { flags: '--config <file>', description: 'configuration file to use instead of the nearest', completes: 'files' },
  { flags: '--timeout <time>', description: `for each answer of namerd: 10s, 500ms, 2m (default ${defaultTimeout})` },
  { flags: '--json', description: 'print JSON' },
];
