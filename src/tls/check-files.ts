/** The files that `tls` keys name, read and checked with the rest of a configuration: what is wrong stands in the same report. */
import type { z } from 'zod';
import type { ValuePath } from '../config/document.ts';
import { type Problem, valueAt } from '../config/problem.ts';
import { clientAuthConfig } from './client-tls.ts';
import { readIdentity } from './identity-files.ts';
import { Reading } from './reading.ts';
import { identityConfig } from './server-tls.ts';
import { pemFiles } from './tls-fields.ts';
import { readRevocations, readTrust } from './trust-files.ts';

interface Places {
  readonly servers: readonly ValuePath[];
  readonly connectors: readonly ValuePath[];
}

type Complain = (problem: Problem) => void;

export function checkTlsFiles(root: unknown, { servers, connectors }: Places, complain: Complain): void {
  const check = <T>(
    path: ValuePath,
    schema: z.ZodType<T>,
    read: (files: T, reading: Reading) => unknown,
    key?: string,
  ): void => {
    const files = schema.safeParse(valueAt(root, path));
    // The schema complains about the others.
    if (!files.success) return;
    const reading = new Reading();
    read(files.data, reading);
    const parent = key === undefined ? path : path.slice(0, -1);
    for (const { place, message } of reading.problems) complain({ path: [...parent, ...place], message });
  };
  for (const place of servers) {
    const tls = [...place, 'tls'];
    const identities = valueAt(root, [...tls, 'identities']);
    const names = typeof identities === 'object' && identities !== null ? Object.keys(identities) : [];
    check([...tls, 'defaultIdentity'], identityConfig, readIdentity);
    for (const name of names) check([...tls, 'identities', name], identityConfig, readIdentity);
  }
  for (const place of connectors) check([...place, 'tls', 'clientAuth'], clientAuthConfig, readIdentity);
  for (const place of [...servers, ...connectors]) {
    check([...place, 'tls', 'trustCerts'], pemFiles(), readTrust, 'trustCerts');
    check([...place, 'tls', 'crls'], pemFiles(), readRevocations, 'crls');
  }
}
