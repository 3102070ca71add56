/** `auth` of one of namerd's interfaces: bearer tokens, and the namespaces that each may read and write. */
import { z } from 'zod';
import { tokenText } from '../../clients/namerd/token.ts';
import { filePath } from '../../config/file-fields.ts';

const namespaces = (what: string) =>
  z
    .array(
      z
        .string('expected a namespace, or a prefix and *')
        .regex(/^[^*]*\*?$/, 'expected * only at the end: team-a-*, or * for all')
        .min(1, 'expected a namespace, or * for all'),
    )
    .default([])
    .meta({ description: `namespaces whose dtabs ${what}: names, prefixes such as \`team-a-*\`, or \`*\` for all` });

const token = z
  .strictObject({
    name: z
      .string('expected a name')
      .regex(/^(?!none$)[A-Za-z0-9._-]{1,64}$/, 'expected up to 64 letters, digits and ._- (and not "none")')
      .meta({ description: 'name of the token in the log, in metrics and in the history' }),
    tokenFile: filePath('content').optional().meta({
      description:
        'file with the token, or with several, one per line, while it is replaced. A change takes effect within a second',
    }),
    token: tokenText('the token itself, instead of tokenFile').optional(),
    read: namespaces('it may read'),
    write: namespaces('it may read and change'),
  })
  .superRefine(({ token, tokenFile, read, write }, context) => {
    const complain = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message });
    if (token === undefined && tokenFile === undefined) complain('name', 'needs token or tokenFile');
    if (token !== undefined && tokenFile !== undefined) complain('token', 'cannot be combined with tokenFile');
    if (read.length + write.length === 0) complain('name', 'has no rights: list namespaces in read or write');
  });

export const authConfig = z
  .strictObject({
    anonymous: z
      .enum(['none', 'read'])
      .default('none')
      .meta({ description: 'rights of requests without a token: none, or read every namespace' }),
    tokens: z.array(token).default([]).meta({ description: 'the tokens and their rights' }),
  })
  .refine(({ anonymous, tokens }) => anonymous === 'read' || tokens.length > 0, {
    error: 'grants nothing: add tokens, or anonymous: read',
  });

export type AuthConfig = z.output<typeof authConfig>;
