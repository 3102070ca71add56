/** `auth` of one of namerd's interfaces: bearer tokens, and the namespaces that each may read and write. */
import { z } from 'zod';
import { tokenText } from '../../clients/namerd/token.ts';
import { filePath } from '../../config/file-fields.ts';

const namespaces = (what: string) =>
  z
    .array(
      z
        .string('expected a namespace, or how namespaces begin and a *')
        .regex(/^[^*]*\*?$/, 'expected a * at the end alone: team-a/*, or * for all')
        .min(1, 'expected a namespace, or * for all'),
    )
    .default([])
    .meta({ description: `namespaces whose dtabs ${what}; \`prefix*\` for those that begin so, \`*\` for all` });

const token = z
  .strictObject({
    name: z
      .string('expected a name')
      .regex(/^(?!none$)[A-Za-z0-9._-]{1,64}$/, 'expected up to 64 letters, digits and ._- (and not "none")')
      .meta({ description: 'stands in the log and in metrics in place of the token' }),
    tokenFile: filePath('content').optional().meta({
      description:
        'file with the token; one on each line while it is changed. It is followed: a change takes effect within a second',
    }),
    token: tokenText('the token itself, in place of tokenFile').optional(),
    read: namespaces('it may read'),
    write: namespaces('it may read and change'),
  })
  .superRefine(({ token, tokenFile, read, write }, context) => {
    const complain = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message });
    if (token === undefined && tokenFile === undefined) complain('name', 'has no token: give it tokenFile, or token');
    if (token !== undefined && tokenFile !== undefined) complain('token', 'stands beside tokenFile; give one of them');
    if (read.length + write.length === 0) complain('name', 'may do nothing: list namespaces in read or write');
  });

export const authConfig = z
  .strictObject({
    anonymous: z
      .enum(['none', 'read'])
      .default('none')
      .meta({ description: 'what a request without a token may do: nothing, or read every namespace' }),
    tokens: z.array(token).default([]).meta({ description: 'who may do what' }),
  })
  .refine(({ anonymous, tokens }) => anonymous === 'read' || tokens.length > 0, {
    error: 'lets nobody do anything: add tokens, or anonymous: read',
  });

export type AuthConfig = z.output<typeof authConfig>;
