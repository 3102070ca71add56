/** The OpenAPI document describes the API: all of its routes, and the answers as they really are. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { of } from 'rxjs';
import { LinkerdTcpError } from '../../src/errors.ts';
import { failed } from '../../src/live/activity.ts';
import { openApi } from '../../src/namerd/http/openapi.ts';
import { endpoints } from '../../src/namerd/http/routes.ts';
import { failedAddr } from '../../src/naming/addr.ts';
import { boundTo, fixedAddr } from '../support/fake-namer.ts';
import { type Answered, type Rig, startRig } from './rig.ts';

interface Response {
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly content?: Readonly<Record<string, { readonly schema: object }>>;
}

type Operation = { readonly responses: Readonly<Record<string, Response>>; readonly operationId: string };

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly responses: Readonly<Record<string, Response>> };
}

const api = openApi() as unknown as Document;
const methods = ['get', 'head', 'post', 'put', 'delete'];

const operations = Object.entries(api.paths).flatMap(([path, item]) =>
  methods.flatMap(method => (item[method] ? [{ name: `${method} ${path}`, operation: item[method] }] : [])),
);

/** Answers have only documented fields: readers may ignore more, the document must not forget any. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([key, each]) => [key, closed(each)]));
  return 'properties' in inner && !('additionalProperties' in inner)
    ? { ...inner, additionalProperties: false }
    : inner;
}

const ajv = new Ajv2020({ strict: false, allErrors: true });
ajv.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
ajv.addSchema(closed(api) as object, 'api');

function assertSchema(schema: object, value: unknown, what: string): void {
  const absolute = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"api#/'));
  const isValid = ajv.compile(closed(absolute) as object);
  assert.ok(isValid(value), `${what}: ${ajv.errorsText(isValid.errors)} in ${JSON.stringify(value)}`);
}

function responseOf(name: string, status: number): Response {
  const found = operations.find(each => each.name === name)?.operation.responses[status];
  assert.ok(found !== undefined, `${name} does not mention ${status}`);
  const ref = (found as { $ref?: string }).$ref;
  return ref === undefined ? found : api.components.responses[ref.split('/').at(-1)!];
}

function assertAnswer(name: string, { status, headers, text }: Answered): void {
  const { headers: promised = {}, content } = responseOf(name, status);
  const what = `${name} ${status}`;
  for (const header of Object.keys(promised))
    assert.ok(headers[header.toLowerCase()] !== undefined, `${what} ${header}`);
  if (text === '') return;
  const type = headers['content-type']?.split(';')[0] ?? '';
  assert.ok(content?.[type] !== undefined, `${what}: ${type} with ${text}`);
  if (type === 'application/json') assertSchema(content[type].schema, JSON.parse(text), what);
}

const asDtab = { 'content-type': 'application/dtab' };
const asJson = { 'content-type': 'application/json' };
const dtab = '/svc => /#/io.l5d.namer; /alt => /svc/web | /none; /union => 0.3 * /svc/web & 0.7 * /$/inet/127.1/80';
const dentries = '[{"prefix":"/svc","dst":"/#/io.l5d.namer"}]';

async function filledRig(t: Parameters<typeof startRig>[0]): Promise<Rig> {
  const rig = await startRig(t, { api: { addrWaitMs: 20, answerTimeoutMs: 50, maxBodyBytes: 1000 } });
  rig.namer.answer('/web', boundTo('/#/io.l5d.namer/web', '/', fixedAddr(80)));
  rig.namer.answer('/late', boundTo('/#/io.l5d.namer/late'));
  rig.namer.answer('/bad', boundTo('/#/io.l5d.namer/bad', '/', of(failedAddr(new Error('no backend')))));
  rig.namer.answer('/broken', failed(new Error('broken')));
  await rig.put('tea', '/svc => ~');
  await rig.put('tea', `${dtab}; /deep => /svc | /$/fail/x | ! | $ | ~; /thrown => /#/io.l5d.namer/broken`);
  return rig;
}

type Asked = readonly [name: string, target: string, headers?: Record<string, string>, body?: string];

const question = (more: object) => JSON.stringify({ dtab, path: '/svc/web', ...more });

const asked: readonly Asked[] = [
  ['get /dtabs', 'dtabs'],
  ['get /dtabs/{namespace}', 'dtabs/tea'],
  ['get /dtabs/{namespace}', 'dtabs/tea', { accept: 'application/dtab' }],
  ['get /dtabs/{namespace}', 'dtabs/tea', { accept: 'text/plain' }],
  ['get /dtabs/{namespace}', 'dtabs/none'],
  ['head /dtabs/{namespace}', 'dtabs/tea'],
  ['head /dtabs/{namespace}', 'dtabs/none'],
  ['post /dtabs/{namespace}', 'dtabs/new', asDtab, dtab],
  ['post /dtabs/{namespace}', 'dtabs/tea', asDtab, dtab],
  ['post /dtabs/{namespace}', 'dtabs/new?validate=true', asJson, dentries],
  ['post /dtabs/{namespace}', 'dtabs/other', {}, dtab],
  ['post /dtabs/{namespace}', 'dtabs/other', asDtab, 'x'.repeat(2000)],
  ['post /dtabs/{namespace}', 'dtabs/other', { ...asDtab, origin: 'http://evil' }, dtab],
  ['put /dtabs/{namespace}', 'dtabs/json', asJson, dentries],
  ['put /dtabs/{namespace}', 'dtabs/tea?validate=1', asDtab, '/a => /#/nowhere; /a => !; /b => /c; /c => /b'],
  ['put /dtabs/{namespace}', 'dtabs/tea', { ...asDtab, 'if-match': 'yolo' }, '/a=>/b'],
  ['put /dtabs/{namespace}', 'dtabs/tea', { ...asDtab, 'if-none-match': '*' }, '/a=>/b'],
  ['put /dtabs/{namespace}', 'dtabs/none', { ...asDtab, 'if-match': '*' }, '/a=>/b'],
  ['put /dtabs/{namespace}', 'dtabs/tea', asJson, '[null]'],
  ['get /dtabs/{namespace}/history', 'dtabs/tea/history'],
  ['get /dtabs/{namespace}/history', 'dtabs/tea/history?limit=1&dtab=true'],
  ['get /dtabs/{namespace}/history', 'dtabs/tea/history?limit=0'],
  ['get /dtabs/{namespace}', 'dtabs/tea?version=1'],
  ['get /dtabs/{namespace}/history', 'dtabs/none/history'],
  ['post /dtabs/{namespace}/restore', 'dtabs/tea/restore?version=AAAAAAAAAAI%3D&validate=1'],
  ['post /dtabs/{namespace}/restore', 'dtabs/tea/restore?version=AAAAAAAAAAI%3D'],
  ['post /dtabs/{namespace}/restore', 'dtabs/tea/restore?version=AAAAAAAAAEE%3D'],
  ...['web', 'late', 'bad', 'none'].flatMap((name): Asked[] => [
    ['get /bind/{namespace}', `bind/tea?path=/svc/${name}`],
    ['get /addr/{namespace}', `addr/tea?path=/%23/io.l5d.namer/${name}`],
    ['get /resolve/{namespace}', `resolve/tea?path=/svc/${name}`],
    ['get /resolve/{namespace}', `resolve/tea?path=/svc/${name}&flatten=weighted`],
    ['get /delegate/{namespace}', `delegate/tea?path=/svc/${name}`],
  ]),
  ...['/alt', '/union', '/deep/web', '/thrown', '/'].flatMap((path): Asked[] => [
    ['get /bind/{namespace}', `bind/tea?path=${path}`],
    ['get /delegate/{namespace}', `delegate/tea?path=${path}`],
    ['get /delegate', `delegate?namespace=tea&path=${path}`],
  ]),
  ['get /bind/{namespace}', 'bind/tea'],
  ['get /resolve/{namespace}', 'resolve/tea?path=/a&flatten=no'],
  ['get /delegate', 'delegate?path=/svc/web&dtab=/svc=>/a'],
  ['post /delegate', 'delegate', asJson, question({})],
  ['post /delegate', 'delegate', asJson, question({ namespace: null })],
  ['post /delegate', 'delegate', asJson, '{}'],
  ['post /delegate', 'delegate', asDtab, question({})],
  ['get /bound-names', 'bound-names'],
  ['get /openapi.json', 'openapi.json'],
  ['delete /dtabs/{namespace}', 'dtabs/tea', { 'if-match': '*' }],
  ['delete /dtabs/{namespace}', 'dtabs/tea'],
];

test('the document is a valid one of OpenAPI 3.1', async () => {
  const { valid, errors } = await new Validator().validate(openApi() as Record<string, unknown>);
  assert.ok(valid, JSON.stringify(errors, null, 1));
  const ids = operations.map(({ operation }) => operation.operationId);
  assert.equal(new Set(ids).size, ids.length);
});

test('every route is in the document, and it has no others', () => {
  const routes = Object.entries(endpoints).flatMap(([name, { alone, of }]) => [
    ...(alone ? [`/${name}`] : []),
    ...(of ? [`/${name}/{namespace}`] : []),
  ]);
  const further = ['/dtabs/{namespace}/history', '/dtabs/{namespace}/restore'];
  assert.deepEqual(Object.keys(api.paths).toSorted(), [...routes, ...further].toSorted());
});

test('answers are as the document says: status, headers, media type, and all of their fields', async t => {
  const rig = await filledRig(t);
  const seen = new Set<string>();
  for (const [name, target, headers, body] of asked) {
    const answer = await rig.ask(name.split(' ')[0].toUpperCase(), target, headers, body);
    assertAnswer(name, answer);
    seen.add(`${name} ${answer.status}`);
  }
  const promised = operations.flatMap(({ name, operation }) =>
    Object.keys(operation.responses)
      .filter(status => status.startsWith('2'))
      .map(status => `${name} ${status}`),
  );
  assert.deepEqual(
    promised.filter(each => !seen.has(each)),
    [],
    'each good answer of the document was seen',
  );
});

test('the documents of a watch are as the answer without it', async t => {
  const rig = await filledRig(t);
  for (const [name, target] of [
    ['get /dtabs', 'dtabs'],
    ['get /dtabs/{namespace}', 'dtabs/tea'],
    ['get /bind/{namespace}', 'bind/tea?path=/union'],
    ['get /addr/{namespace}', 'addr/tea?path=/%23/io.l5d.namer/web'],
    ['get /resolve/{namespace}', 'resolve/tea?path=/svc/web'],
  ]) {
    const stream = await rig.watch(`${target}${target.includes('?') ? '&' : '?'}watch=1`);
    const type = stream.response.headers['content-type'] as string;
    const { content } = responseOf(name, stream.response.statusCode as number);
    assertSchema(content![type].schema, await stream.json(), name);
    stream.leave();
  }
});

test('a failure of the store is answered as documented, on every operation that uses it', async t => {
  const rig = await filledRig(t);
  for (const code of ['STORE_FORBIDDEN', 'STORE_UNAVAILABLE'] as const) {
    const error = new LinkerdTcpError(code, { store: 'etcd', action: 'read', reason: 'its rules', hint: 'look there' });
    rig.store.refusal = error;
    rig.store.state.next({ state: 'failed', error });
    for (const { name } of operations) {
      const [method, path] = name.split(' ');
      if (!path.startsWith('/dtabs')) continue;
      const target = `${path.slice(1).replace('{namespace}', 'tea')}?version=AAAAAAAAAAI%3D`;
      const body = method.startsWith('p') ? '/a=>/b' : undefined;
      assertAnswer(name, await rig.ask(method.toUpperCase(), target, asDtab, body));
    }
  }
});

test('the served document is the one of the sources', async t => {
  const rig = await filledRig(t);
  const { json, headers } = await rig.ask('GET', 'openapi.json');
  assert.deepEqual(json, JSON.parse(JSON.stringify(openApi())));
  assert.equal(headers['content-type'], 'application/json');
});
