/**
 * The API as an OpenAPI 3.1 document: served at `/api/1/openapi.json` and generated into docs/reference/.
 *
 * Descriptions explain what OpenAPI cannot express: a namespace may contain slashes, and a watch is an answer without an end.
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
    'Everything after the slash. It is not percent-decoded: send the characters that a path allows as they are. ' +
    'It may contain slashes if the store allows them.',
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
const extraDtab = parameter('dtab', 'rules appended to the stored ones, so that they win');
const ifMatch = {
  name: 'If-Match',
  in: 'header',
  description: 'only if the current version is one of these; quoted or not; `*` is any version',
  schema: { type: 'string' },
};
const etag = { description: 'the version, without quotes', schema: { type: 'string' } };
const ifNoneMatch = {
  name: 'If-None-Match',
  in: 'header',
  description: '`*`: only if the namespace does not exist; otherwise 412',
  schema: { const: '*' },
};
const unlessKnown = {
  name: 'If-None-Match',
  in: 'header',
  description: 'versions that the client knows: 304 if the current one is among them',
  schema: { type: 'string' },
};
const dryRun = parameter(
  'validate',
  'store nothing, and report what is questionable; any other value than these is 400',
  {
    enum: ['1', 't', 'true', '0', 'f', 'false'],
  },
);
const notModified = { description: 'The client knows this version.', headers: { ETag: etag } };

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

/** Possible for every request. 415, 421 and 400 for every malformed one are in the description of the API. */
const common = refused('401', '403', '500', '503');
const written = { description: 'Stored.', headers: { ETag: etag } };

const dtabs = {
  '/dtabs': {
    get: {
      operationId: 'listNamespaces',
      summary: 'The namespaces that may be read',
      parameters: [watch('a list whenever a namespace is created or deleted')],
      responses: { 200: answered('The namespaces.', as('Namespaces')), ...common },
    },
  },
  '/dtabs/{namespace}': {
    parameters: [namespace],
    get: {
      operationId: 'readDtab',
      summary: 'The dtab of a namespace',
      description: 'In the first known media type of `Accept`, whose parameters are ignored; otherwise JSON.',
      parameters: [
        parameter('version', 'an earlier version, by its number in the history or its ETag'),
        watch(
          'the dtab whenever it changes, without ETag; `null`, or a comment as text, when the namespace is deleted; nothing ' +
            'before it exists',
        ),
        unlessKnown,
      ],
      responses: {
        200: answered('The dtab.', dtab, { ETag: etag }),
        304: notModified,
        ...common,
        ...refused('400', '404'),
      },
    },
    head: {
      operationId: 'readVersion',
      summary: 'The version of a namespace',
      parameters: [unlessKnown],
      responses: {
        200: { description: 'It exists.', headers: { ETag: etag } },
        304: notModified,
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
        200: answered('With `validate`: the report.', as('Validation')),
        204: written,
        ...common,
        ...refused('400', '409', '413'),
      },
    },
    put: {
      operationId: 'writeDtab',
      summary: 'Creates or replaces the dtab of a namespace',
      description: 'Text without any rule is refused; to store an empty dtab send `[]` as JSON.',
      parameters: [ifMatch, ifNoneMatch, dryRun],
      requestBody: { required: true, content: dtab },
      responses: {
        200: answered('With `validate`: the report.', as('Validation')),
        204: written,
        ...common,
        ...refused('400', '404', '412', '413'),
      },
    },
    delete: {
      operationId: 'deleteDtab',
      summary: 'Deletes a namespace',
      parameters: [ifMatch],
      responses: { 204: { description: 'Deleted.' }, ...common, ...refused('400', '404', '412') },
    },
  },
  '/dtabs/{namespace}/history': {
    parameters: [namespace],
    get: {
      operationId: 'readHistory',
      summary: 'The writes to a namespace, newest first, if the store keeps a history',
      description: 'If a namespace is stored under this very path, slashes included, it is answered instead.',
      parameters: [
        parameter('limit', 'most versions in the answer, 50 by default', {
          type: 'integer',
          minimum: 1,
          maximum: 1000,
        }),
        parameter('before', 'only versions with a lower number: the `next` of the page before', {
          type: 'integer',
          minimum: 1,
        }),
        parameter('dtab', 'with the texts of the dtabs, about a mebibyte in one answer', {
          enum: ['1', 't', 'true', '0', 'f', 'false'],
        }),
      ],
      responses: { 200: answered('The versions.', as('History')), ...common, ...refused('400', '404') },
    },
  },
  '/dtabs/{namespace}/restore': {
    parameters: [namespace],
    post: {
      operationId: 'restoreDtab',
      summary: 'Writes an earlier version again',
      parameters: [
        parameter('version', 'its number in the history, or its ETag', { type: 'string' }, true),
        ifMatch,
        dryRun,
      ],
      responses: {
        200: answered('With `validate`: the report.', as('Validation')),
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
      description: 'A namespace that is not stored has no rules; the header `l5d-namespace: missing` says so.',
      parameters: [
        path('the name'),
        extraDtab,
        watch('the tree whenever it changes; the addresses in it are those of that moment, `addr` tells their changes'),
      ],
      responses: { 200: answered('The tree.', as('BoundTree')), ...common, ...refused('400', '422') },
    },
  },
  '/addr/{namespace}': {
    parameters: [namespace],
    get: {
      operationId: 'addr',
      summary: 'The addresses of a bound id',
      description: 'They do not depend on the namespace, which must be one that may be read.',
      parameters: [path('the bound id'), watch('the addresses whenever they change')],
      responses: { 200: answered('The addresses.', as('Addr')), ...common, ...refused('400') },
    },
  },
  '/resolve/{namespace}': {
    parameters: [namespace],
    get: {
      operationId: 'resolve',
      summary: 'A name as one set of addresses',
      description: 'Of a union one branch, drawn by weight for each request.',
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
      responses: { 200: answered('The addresses.', as('Resolved')), ...common, ...refused('400', '422') },
    },
  },
  '/delegate/{namespace}': {
    parameters: [namespace],
    get: {
      operationId: 'delegate',
      summary: 'How a name is bound, step by step',
      parameters: [path('the name'), extraDtab],
      responses: { 200: answered('The steps.', as('Delegation')), ...common, ...refused('400', '422') },
    },
  },
  '/delegate': {
    get: {
      operationId: 'delegateBy',
      summary: 'The same with rules that are not stored',
      parameters: [
        path('the name'),
        parameter('dtab', 'the rules'),
        parameter('namespace', 'the namespace whose rules come before them'),
      ],
      responses: { 200: answered('The steps.', as('Delegation')), ...common, ...refused('400', '422') },
    },
    post: {
      operationId: 'delegateByBody',
      summary: 'The same for a dtab that is too long for a URL',
      requestBody: { required: true, content: as('Question') },
      responses: {
        200: answered('The steps.', as('Delegation')),
        ...common,
        ...refused('400', '413', '415', '422'),
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
      responses: { 200: answered('The document.', { 'application/json': { schema: { type: 'object' } } }) },
    },
  },
};

const description = `Stores routing policy, one dtab per namespace, and streams resolved names to any number of clients.

**Errors** are plain text with the reason, which is also in the log if it comes from a namer or a store. A method that an endpoint
does not support is 405 with \`Allow\`; a body with a Content-Encoding is 415.

**Watches** (\`watch=1\`) are answers with status 200 that stay open: one document per line, in the media type of the answer
without \`watch\`, the first one as soon as it is known. Equal documents are not repeated. A line break every 20 seconds keeps the
connection alive. A slow reader gets the newest document and not the ones before it. If the watch fails, one line of text has the reason,
and the stream ends. A watch ends when its token is revoked.

**Tokens** have rights to read or write namespaces, if namerd is configured to require them. Without tokens or client certificates
anyone who can reach the API may do everything.

**Browsers**: writes with a foreign \`Origin\`, and cross-site requests, are refused with 403. An API on loopback answers 421 to host
names that are neither an address, nor localhost, nor configured in \`allowedHosts\`.`;

const text = { 'text/plain': { schema: { type: 'string' } } };
const challenge = { description: 'RFC 6750', schema: { type: 'string', examples: ['Bearer realm="namerd"'] } };

const responses = {
  Refused400: { description: 'The path, the dtab, a parameter or the Content-Type is missing or invalid.' },
  Refused401: { description: 'The token is missing or unknown.', headers: { 'WWW-Authenticate': challenge } },
  Refused403: { description: 'The token lacks the right, the store forbids it, or the origin is foreign.' },
  Refused404: { description: 'The namespace or version does not exist, or the store keeps no history.' },
  Refused409: { description: 'The namespace already exists.' },
  Refused412: { description: 'The current version is another one, or the namespace exists (If-None-Match).' },
  Refused413: { description: 'The body is too long, or the dtab too large for the store.' },
  Refused415: { description: 'The Content-Type is not `application/json`.' },
  Refused422: { description: 'The rules are recursive, or multiply names beyond the limits.' },
  Refused500: { description: 'The request failed with the reason of the namer or the store.' },
  Refused503: { description: 'No answer in time, the store is unreachable, or too many watches are open.' },
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
    // Answers may get more fields in future versions.
    io: 'input',
    uri: id => `#/components/schemas/${id}`,
    override: ({ jsonSchema }) => {
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  });
  return Object.fromEntries(Object.entries(made.schemas).map(([id, { $schema, $id, ...schema }]) => [id, schema]));
}
