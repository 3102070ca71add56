/** Store `io.l5d.zk`: namespaces as znodes of Apache ZooKeeper, where Linkerd's namerd has them too. */

import { z } from 'zod';
import { type Acl, openToAll, permissions } from '../../clients/zookeeper/messages.ts';
import { showServer } from '../../clients/zookeeper/session.ts';
import { host, nonEmpty, wholeNumber } from '../../config/fields.ts';
import { secret } from '../../config/secret-fields.ts';
import { defineStore } from '../kind.ts';
import { RemoteStore } from '../remote-store.ts';
import { ZooKeeperBackend } from './backend.ts';
import { nameProblem } from './layout.ts';

const server = z.strictObject({
  host: host().meta({ description: 'name or address of a server' }),
  port: wholeNumber(1, 65_535, 'a port, a whole number from 1 to 65535')
    .default(2181)
    .meta({ description: 'its client port' }),
});

const acl = z.strictObject({
  scheme: nonEmpty('a scheme, such as world, auth, digest, ip or x509').meta({
    description: '`world`, `auth`, `digest`, `ip` or another that the servers know',
  }),
  // Of `digest` it has the hash of a password.
  id: secret(z.string('expected an id of that scheme'), { when: ({ scheme }) => scheme === 'digest' }).meta({
    description: 'who, in the words of the scheme: `anyone` of `world`',
  }),
  perms: z
    .string('expected letters of crwda')
    .regex(
      /^(?!.*(.).*\1)[crwda]+$/,
      'expected letters of crwda (create, read, write, delete, admin), each at most once',
    )
    .meta({ description: 'what they may do: letters of `crwda` (create, read, write, delete, admin)' }),
});

const isPath = (text: string): boolean =>
  text.startsWith('/') &&
  text
    .slice(1)
    .split('/')
    .every(name => nameProblem(name) === undefined);

export const zookeeperStore = defineStore({
  kind: 'io.l5d.zk',
  config: z.strictObject({
    zkAddrs: z
      .array(server, 'expected a list of servers, each with host and port')
      .min(1, 'expected one or more servers')
      .meta({ description: 'the servers of the ensemble' }),
    pathPrefix: z
      .string('expected the path of a znode')
      .refine(isPath, { error: 'expected the path of a znode, such as /dtabs' })
      .default('/dtabs')
      .meta({ description: 'the znode above the namespaces; made if missing' }),
    sessionTimeoutMs: wholeNumber(100, 3_600_000, 'a whole number of milliseconds from 100 to 3600000')
      .default(10_000)
      .meta({
        description: 'how long the servers keep a session they do not hear from; they have bounds of their own',
      }),
    authInfo: z
      .strictObject({
        scheme: nonEmpty('a scheme, such as digest').meta({ description: 'e.g. `digest`' }),
        auth: secret(z.string('expected what the scheme wants, such as user:password')).meta({
          description: 'e.g. `user:password` for `digest`',
        }),
      })
      .optional()
      .meta({ description: 'who we are to the servers' }),
    acls: z
      .array(acl, 'expected a list of ACLs, each with scheme, id and perms')
      .min(1, 'expected one or more ACLs')
      .optional()
      .meta({ description: 'ACLs of the znodes we create; otherwise everybody may do everything with them' }),
  }),
  create: ({ zkAddrs, pathPrefix, sessionTimeoutMs, authInfo, acls }, { log, random }) => {
    const store = `io.l5d.zk (${zkAddrs.map(showServer).join(',')}${pathPrefix})`;
    const backend = new ZooKeeperBackend({
      store,
      prefix: pathPrefix,
      acls: acls?.map(aclOf) ?? openToAll,
      servers: zkAddrs,
      sessionTimeoutMs,
      auth: authInfo,
      random,
    });
    return new RemoteStore({ store, backend, log, random, retries: { baseMs: 250, maxMs: 3000 } });
  },
});

const aclOf = ({ scheme, id, perms }: z.output<typeof acl>): Acl => ({
  scheme,
  id,
  permissions: [...perms].reduce((sum, letter) => sum + permissions[letter as keyof typeof permissions], 0),
});
