/**
 * The JSON of the API as schemas: answers have their types, requests are parsed by them, and the OpenAPI document is generated
 * from them.
 */
import { z } from 'zod';

const path = (description: string) => z.string().meta({ description, examples: ['/svc/web'] });

const dentry = z
  .object({
    prefix: z.string().meta({ description: 'of names', examples: ['/svc'] }),
    dst: z.string().meta({ description: 'the name tree that replaces the prefix', examples: ['/#/io.l5d.fs'] }),
  })
  .meta({ description: 'One rule of a dtab.' });

export type JsonDentry = z.output<typeof dentry>;

const dtab = z.array(dentry).meta({ description: 'The rules of a namespace; later ones win.' });

const version = z.string().meta({ description: 'a version, as in ETag and If-Match', examples: ['AAAAAAAAAAE='] });

const namespaces = z.array(z.string()).meta({ description: 'Sorted; in a watch in any order.' });

const historyEntry = z.object({
  number: z.int().min(1).meta({ description: 'of the version in its namespace, deletions included' }),
  version,
  at: z.string().meta({ format: 'date-time', description: 'when it was written' }),
  by: z.string().optional().meta({ description: 'name of the token or of the client certificate that wrote it' }),
  restoredFrom: z.int().min(1).optional().meta({ description: 'number of the version that it restored' }),
  current: z.literal(true).optional(),
  deleted: z.literal(true).optional().meta({ description: 'this write deleted the namespace' }),
  bytes: z.int().min(0).meta({ description: 'size of the dtab as text' }),
  dtab: z.string().optional().meta({ description: 'text of the dtab, with `dtab=true`; not of a deletion' }),
});

const history = z
  .object({
    versions: z.array(historyEntry),
    next: z.int().min(1).optional().meta({ description: '`before` of the next page; absent on the last one' }),
  })
  .meta({ description: 'Writes to a namespace, newest first.' });

export type History = z.output<typeof history>;

const validation = z
  .object({
    valid: z.literal(true),
    dtab,
    warnings: z.array(
      z.object({
        kind: z.enum(['shadowed', 'loop', 'unknown-namer']),
        dentry: z.int().min(0).meta({ description: 'index of the rule' }),
        message: z.string(),
      }),
    ),
    omitted: z.int().min(1).optional().meta({ description: 'warnings beyond the first 100' }),
    partial: z.literal(true).optional().meta({ description: 'the dtab is too intricate to be analysed whole' }),
  })
  .meta({ description: 'The report on a dtab that could be stored.' });

export type Validation = z.output<typeof validation>;

export const question = z
  .object({
    path: z.string().meta({ description: 'the name to explain' }),
    dtab: z.string().meta({ description: 'rules, in the dtab language' }),
    namespace: z.string().nullish().meta({ description: 'whose rules stand before these' }),
  })
  .meta({ description: 'Which name to explain, by which rules.' });

export type Question = z.output<typeof question>;

const meta = z.record(z.string(), z.unknown()).meta({ description: 'metadata of the namer' });

const address = z.object({
  ip: z.string().meta({ description: 'IPv4 or IPv6' }),
  port: z.int().min(0).max(65_535),
  meta,
});

const addr = z
  .discriminatedUnion('type', [
    z.object({ type: z.literal('bound'), addrs: z.array(address), meta }),
    z.object({ type: z.literal('neg') }).meta({ description: 'The id does not exist.' }),
    z.object({ type: z.literal('failed'), cause: z.string() }),
    z.object({ type: z.literal('pending') }).meta({ description: 'Not known yet; only inside trees.' }),
  ])
  .meta({ description: 'The addresses of a bound id.' });

const resolved = z
  .object({
    type: z.enum(['bound', 'neg', 'failed']),
    addrs: z.array(address),
    meta: z.record(z.string(), z.string()),
    cause: z.string().optional(),
  })
  .meta({ description: 'One set of addresses; all of its fields but `cause` are always there.' });

export type Resolved = z.output<typeof resolved>;

const bound = z.object({
  addr,
  id: path('the bound id: the `path` of `addr`'),
  path: path('the rest of the name after the id, `/` for none'),
});

const weight = z.number().min(0).meta({ description: 'its share is this, divided by the sum of all' });

const boundTree: z.ZodType = z
  .lazy(() =>
    z.discriminatedUnion('type', [
      z.object({ type: z.literal('leaf'), bound }),
      z.object({ type: z.literal('neg') }).meta({ description: 'The name does not resolve.' }),
      z.object({ type: z.literal('empty') }),
      z.object({ type: z.literal('fail') }),
      z.object({ type: z.literal('alt'), alt: z.array(boundTree) }),
      z.object({ type: z.literal('union'), union: z.array(z.object({ weight, tree: boundTree })) }),
    ]),
  )
  .meta({ description: 'The tree that a name is bound to.' });

/** The fields of every node of a delegation. */
const node = { path: z.string(), dentry: dentry.optional() };

const delegation: z.ZodType = z
  .lazy(() =>
    z.discriminatedUnion('type', [
      z.object({ type: z.literal('delegate'), ...node, delegate: delegation }),
      z.object({ type: z.literal('leaf'), ...node, bound }),
      z.object({ type: z.literal('alt'), ...node, alt: z.array(delegation) }),
      z.object({ type: z.literal('union'), ...node, union: z.array(z.object({ weight, tree: delegation })) }),
      z.object({ type: z.literal('neg'), ...node }),
      z.object({ type: z.literal('empty'), ...node }),
      z.object({ type: z.literal('fail'), ...node }),
      z.object({ type: z.literal('exception'), ...node, message: z.string() }),
      z.object({ type: z.literal('transformation'), ...node, name: z.string(), bound, tree: delegation }),
    ]),
  )
  .meta({
    description: 'How a name is bound, step by step; `dentry` is the rule that led to the node.',
  });

const boundNames = z.array(z.string()).meta({ description: 'Ids, sorted.' });

/** By their names in the document. */
export const shapes = {
  Dentry: dentry,
  Dtab: dtab,
  Namespaces: namespaces,
  History: history,
  Validation: validation,
  Question: question,
  Address: address,
  Addr: addr,
  Bound: bound,
  Resolved: resolved,
  BoundTree: boundTree,
  Delegation: delegation,
  BoundNames: boundNames,
};

export type ShapeName = keyof typeof shapes;
