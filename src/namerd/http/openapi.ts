/**
 * The API as an OpenAPI 3.1 document: served at `/api/1/openapi.json` and generated into docs/reference/.
 *
 * What OpenAPI has no words for is said in descriptions: a namespace may have slashes, and a watch is an answer without an end.
 */
import { z } from 'zod';
import { type ShapeName, shapes } from './shapes.ts';

type Json = Readonly<Record<string, unknown>>;

let made: Json | undefined;

export function openApi(): Json {
  made ??= document();
  return made;
}

const schemaOf = (name: ShapeName) => ({ $ref: `#/components/schemas/${name}` });
const shared = (kind: string, name: string) => ({ $ref: `#/components/${kind}/${name}` });

const namespace = {
  name: 'namespace',
  in: 'path',
  required: true,
  description:
    'All that follows the slash: it may have slashes where the store allows them, and is not percent-decoded. ' +
    'Send characters that may stand in a path as they are.',
  schema: { type: 'string', minLength: 1 },
};

const parameter = (name: string, description: string, schema: Json = { type: 'string' }, required = false) => ({
  name,
  in: 'query',
  description,
  ...(required && { required }),
  schema,
});

const watch = (documents: string) =>
  parameter('watch', `keep the answer open: ${documents}. See the description of the API`, {
    enum: ['1', 't', 'true'],
  });
const path = (description: string) => parameter('path', description, { type: 'string', examples: ['/svc/web'] }, true);
const extraDtab = parameter('dtab', 'rules behind those that are stored, and stronger than they');
const ifMatch = {
  name: 'If-Match',
  in: 'header',
  description: 'only if this is the present version; in quotes or not; `*` is whichever there is',
  schema: { type: 'string' },
};
const dryRun = parameter('validate', 'store nothing, and tell what is questionable', { enum: ['1', 't', 'true'] });
const etag = { description: 'the version, without quotes around it', schema: { type: 'string' } };

const as = (name: ShapeName) => ({ 'application/json': { schema: schemaOf(name) } });
const dtabText = { schema: { type: 'string' }, example: '/svc=>/#/io.l5d.fs' };
const dtab = { ...as('Dtab'), 'application/dtab': dtabText, 'text/plain': dtabText };
const answered = (description: string, content: Json, headers?: Json) => ({
  description,
  ...(headers && { headers }),
  content,
});
const refused = (...names: readonly string[]) =>
  Object.fromEntries(names.map(name => [name, shared('responses', `Refused${name}`)]));

/** What may happen to every request. */
const common = refused('401', '403', '500', '503');
const written = { description: 'Stored.', headers: { ETag: etag } };

const dtabs = {
  '/dtabs': {
    get: {
      operationId: 'listNamespaces',
      summary: 'The namespaces that may be read',
      description: 'Any method does the same.',
      parameters: [watch('a list whenever a namespace comes or goes')],
      responses: { 200: answered('The namespaces.', as('Namespaces')), ...common },
    },
  },
  '/dtabs/{namespace}': {
    parameters: [namespace],
    get: {
      operationId: 'readDtab',
      summary: 'The dtab of a namespace',
      description: 'Its form is the first one known of those in `Accept`, whose parameters do not count; else JSON.',
      parameters: [watch('the dtab whenever it changes, without ETag; nothing while there is no such namespace')],
      responses: { 200: answered('The dtab.', dtab, { ETag: etag }), ...common, ...refused('404') },
    },
    head: {
      operationId: 'readVersion',
      summary: 'The version of a namespace',
      responses: {
        200: { description: 'There is one.', headers: { ETag: etag } },
        ...common,
        ...refused('404'),
      },
    },
    post: {
      operationId: 'createDtab',
      summary: 'Creates a namespace',
      parameters: [dryRun],
      requestBody: { required: true, content: dtab },
      responses: {
        200: answered('With `validate`: what is questionable.', as('Validation')),
        204: written,
        ...common,
        ...refused('400', '409', '413'),
      },
    },
    put: {
      operationId: 'writeDtab',
      summary: 'Writes a namespace, which need not exist',
      parameters: [ifMatch, dryRun],
      requestBody: { required: true, content: dtab },
      responses: {
        200: answered('With `validate`: what is questionable.', as('Validation')),
        204: written,
        ...common,
        ...refused('400', '404', '412', '413'),
      },
    },
    delete: {
      operationId: 'deleteDtab',
      summary: 'Removes a namespace',
      parameters: [ifMatch],
      responses: { 204: { description: 'Removed.' }, ...common, ...refused('400', '404', '412') },
    },
  },
  '/dtabs/{namespace}/history': {
    parameters: [namespace],
    get: {
      operationId: 'readHistory',
      summary: 'Earlier versions, where the store keeps them',
      description: 'A namespace that is stored under this very path, slashes included, is answered in its place.',
      responses: { 200: answered('The versions.', as('History')), ...common, ...refused('404') },
    },
  },
  '/dtabs/{namespace}/restore': {
    parameters: [namespace],
    post: {
      operationId: 'restoreDtab',
      summary: 'Writes an earlier version again',
      parameters: [parameter('version', 'one of the history', { type: 'string' }, true), ifMatch, dryRun],
      responses: {
        200: answered('With `validate`: what is questionable.', as('Validation')),
        204: written,
        ...common,
        ...refused('404', '412'),
      },
    },
  },
};

const names = {
  '/bind/{namespace}': {
    parameters: [namespace],
    get: {
      operationId: 'bind',
      summary: 'The bound tree of a name, with the addresses of its leaves',
      description: 'A namespace that is not stored has no rules. Any method does the same.',
      parameters: [
        path('the name'),
        extraDtab,
        watch('the tree whenever it changes; the addresses in it are those of that moment, `addr` tells their changes'),
      ],
      responses: { 200: answered('The tree.', as('BoundTree')), ...common, ...refused('400') },
    },
  },
  '/addr/{namespace}': {
    parameters: [namespace],
    get: {
      operationId: 'addr',
      summary: 'The addresses of a bound id',
      description: 'They do not depend on the namespace, which must be one that may be read. Any method does the same.',
      parameters: [path('the bound id'), watch('the addresses whenever they change')],
      responses: { 200: answered('The addresses.', as('Addr')), ...common, ...refused('400') },
    },
  },
  '/resolve/{namespace}': {
    parameters: [namespace],
    get: {
      operationId: 'resolve',
      summary: 'A name as one set of addresses',
      description: 'Of a union one branch, drawn by weight for each request. Any method does the same.',
      parameters: [
        path('the name'),
        extraDtab,
        parameter(
          'flatten',
          '`weighted`: all branches merged; `endpoint_addr_weight` in the `meta` of an address is its share',
          { const: 'weighted' },
        ),
        watch('the addresses whenever they change'),
      ],
      responses: { 200: answered('The addresses.', as('Resolved')), ...common, ...refused('400') },
    },
  },
  '/delegate/{namespace}': {
    parameters: [namespace],
    get: {
      operationId: 'delegate',
      summary: 'How a name is, or is not, bound, step by step',
      description: 'Any method does the same.',
      parameters: [path('the name'), extraDtab],
      responses: { 200: answered('The steps.', as('Delegation')), ...common, ...refused('400') },
    },
  },
  '/delegate': {
    get: {
      operationId: 'delegateBy',
      summary: 'The same by rules that are not stored',
      parameters: [
        path('the name'),
        parameter('dtab', 'the rules'),
        parameter('namespace', 'whose rules stand before them'),
      ],
      responses: { 200: answered('The steps.', as('Delegation')), ...common, ...refused('400') },
    },
    post: {
      operationId: 'delegateByBody',
      summary: 'The same for rules that are too long for a URL',
      requestBody: { required: true, content: as('Question') },
      responses: {
        200: answered('The steps.', as('Delegation')),
        415: { description: 'The body is not `application/json`, without parameters.' },
        ...common,
        ...refused('400', '413'),
      },
    },
  },
  '/bound-names': {
    get: {
      operationId: 'boundNames',
      summary: 'The ids of namers that can list theirs',
      responses: { 200: answered('The ids.', as('BoundNames')), ...common },
    },
  },
  '/openapi.json': {
    get: {
      operationId: 'openApi',
      summary: 'This document',
      security: [],
      responses: { 200: answered('It.', { 'application/json': { schema: { type: 'object' } } }) },
    },
  },
};

const description = `Keeps routing policy, one dtab per namespace, and tells what names mean, live.

**Errors** are plain text, and may be empty; those of the namers and stores are the same as in the log.

**Watches** (\`watch=1\`) are answers with status 200 that stay open: a document per line, in the media type that the answer has
without \`watch\`, the first one as soon as it is known. Equal documents are not repeated. A line break between documents, every 20
seconds, means nothing and shows that the connection lives; a reader that is slow gets the newest document and not those
before it. When what is watched fails there is one line of text with the reason, and the end. A watch ends with its token.

**Tokens**, where namerd is configured to ask for them, have rights to read or to write namespaces. Without any the API is open to
whoever reaches it.

**Pages** of other origins cannot POST, PUT or DELETE: a request with a foreign \`Origin\` is refused with 403.`;

const text = { 'text/plain': { schema: { type: 'string' } } };
const challenge = { description: 'RFC 6750', schema: { type: 'string', examples: ['Bearer realm="namerd"'] } };

const responses = {
  Refused400: { description: 'The path, the dtab, a parameter or the Content-Type is missing or invalid.' },
  Refused401: { description: 'A token is missing or not known.', headers: { 'WWW-Authenticate': challenge } },
  Refused403: { description: 'The token lacks the right, the store forbids it, or the origin is foreign.' },
  Refused404: { description: 'There is no such namespace or version, or the store keeps no history.' },
  Refused409: { description: 'There is such a namespace already.' },
  Refused412: { description: 'Another version is the present one.' },
  Refused413: { description: 'The body is too long.' },
  Refused500: { description: 'What is asked for failed; the reason is the one of the namer or the store.' },
  Refused503: { description: 'It is not known in time, the store cannot be reached, or too many watches are open.' },
};

function document(): Json {
  return {
    openapi: '3.1.0',
    info: { title: 'namerd', version: '1', description, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    servers: [{ url: '/api/1' }],
    security: [{}, { token: [] }, { certificate: [] }],
    paths: { ...dtabs, ...names },
    components: {
      schemas: schemas(),
      responses: Object.fromEntries(
        Object.entries(responses).map(([name, response]) => [name, { ...response, content: text }]),
      ),
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'where `interfaces[].auth` is configured' },
        certificate: { type: 'mutualTLS', description: 'where `interfaces[].tls.requireClientAuth` is configured' },
      },
    },
  };
}

function schemas(): Json {
  const registry = z.registry<{ id: string }>();
  for (const [id, shape] of Object.entries<z.ZodType>(shapes)) registry.add(shape, { id });
  const made = z.toJSONSchema(registry, {
    // What is written may get more fields: readers should not mind.
    io: 'input',
    uri: id => `#/components/schemas/${id}`,
    override: ({ jsonSchema }) => {
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  });
  return Object.fromEntries(Object.entries(made.schemas).map(([id, { $schema, $id, ...schema }]) => [id, schema]));
}
