import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { parseDtab, parsePath } from '../../src/dtab/parse.ts';
import { boundAddr } from '../../src/naming/addr.ts';
import type { Binding } from '../../src/naming/bind.ts';
import { builtinNamer } from '../../src/naming/builtin/builtin.ts';
import { delegate } from '../../src/naming/delegate.ts';
import { createDns } from '../../src/naming/dns.ts';
import { AnswerSize } from '../../src/naming/json/answer-size.ts';
import { encodeDelegation } from '../../src/naming/json/delegation.ts';
import { answers, boundTo, FakeNamer } from '../support/fake-namer.ts';

const namer = new FakeNamer();
namer.answer('/bro', boundTo('/#/namer', '/bro'));
namer.answer('/error/humbug', { state: 'failed', error: new Error('error naming /#/error/humbug') });
namer.answer('/neg', answers.neg);

const binding = (dtab: string): Binding => ({
  dtab: parseDtab(dtab),
  namers: [
    { prefix: ['#', 'namer'], namer },
    { prefix: ['#', 'error'], namer: { lookup: path => namer.lookup(['error', ...path]) } },
  ],
  builtin: builtinNamer(createDns()),
});

async function explain(dtab: string, path: string): Promise<unknown> {
  const delegation = await delegate(binding(dtab), parsePath(path));
  return JSON.parse(JSON.stringify(encodeDelegation(delegation, () => ({ state: 'pending' }))));
}

const rule = (prefix: string, dst: string) => ({ dentry: { prefix, dst } });
const bound = (id: string, path: string) => ({ bound: { addr: { type: 'pending' }, id, path } });

suite('how a name is explained', () => {
  const humbug = rule('/foo', '/bah | /beh | /$/fail');
  const rows: [what: string, dtab: string, path: string, json: object][] = [
    ['nothing matches', '', '/nope', { type: 'neg', path: '/nope' }],
    [
      'one rule that leads nowhere',
      '/yeezy=>/yeezus',
      '/yeezy',
      { type: 'delegate', path: '/yeezy', delegate: { type: 'neg', path: '/yeezus', ...rule('/yeezy', '/yeezus') } },
    ],
    [
      'one rule and a residual',
      '/meh => /heh',
      '/meh/hey',
      { type: 'delegate', path: '/meh/hey', delegate: { type: 'neg', path: '/heh/hey', ...rule('/meh', '/heh') } },
    ],
    [
      'two rules, the later one first',
      '/yeezy=>/yeezus;/yeezy=>/bar',
      '/yeezy',
      {
        type: 'alt',
        path: '/yeezy',
        alt: [
          { type: 'neg', path: '/bar', ...rule('/yeezy', '/bar') },
          { type: 'neg', path: '/yeezus', ...rule('/yeezy', '/yeezus') },
        ],
      },
    ],
    [
      'a Neg that a rule spells out',
      '/neg => ~',
      '/neg',
      { type: 'delegate', path: '/neg', delegate: { type: 'neg', path: '~', ...rule('/neg', '~') } },
    ],
    [
      'a Fail that a rule spells out',
      '/x => !',
      '/x',
      { type: 'delegate', path: '/x', delegate: { type: 'fail', path: '!', ...rule('/x', '!') } },
    ],
    [
      'a namer',
      '/nah=>/#/namer',
      '/nah/bro',
      {
        type: 'delegate',
        path: '/nah/bro',
        delegate: { type: 'leaf', path: '/#/namer/bro', ...rule('/nah', '/#/namer'), ...bound('/#/namer', '/bro') },
      },
    ],
    [
      'alternatives of all kinds',
      '/beh=>/#/error; /bah/humbug=>/$/inet/127.1/8080; /foo=>/bah | /beh | /$/fail; /foo=>/bar; /boo=>/foo',
      '/boo/humbug',
      {
        type: 'delegate',
        path: '/boo/humbug',
        delegate: {
          type: 'alt',
          path: '/foo/humbug',
          ...rule('/boo', '/foo'),
          alt: [
            { type: 'neg', path: '/bar/humbug', ...rule('/foo', '/bar') },
            {
              type: 'delegate',
              path: '/bah/humbug',
              ...humbug,
              delegate: {
                type: 'leaf',
                path: '/$/inet/127.1/8080',
                ...rule('/bah/humbug', '/$/inet/127.1/8080'),
                ...bound('/$/inet/127.1/8080', '/'),
              },
            },
            {
              type: 'delegate',
              path: '/beh/humbug',
              ...humbug,
              delegate: {
                type: 'exception',
                path: '/#/error/humbug',
                ...rule('/beh', '/#/error'),
                message: 'error naming /#/error/humbug',
              },
            },
            { type: 'fail', path: '/$/fail/humbug', ...humbug },
          ],
        },
      },
    ],
    [
      'a weighted union',
      '/w => 0.9*/$/nil & 0.1*/b',
      '/w',
      {
        type: 'union',
        path: '/w',
        union: [
          { weight: 0.9, tree: { type: 'empty', path: '/$/nil', ...rule('/w', '0.90*/$/nil & 0.10*/b') } },
          { weight: 0.1, tree: { type: 'neg', path: '/b', ...rule('/w', '0.90*/$/nil & 0.10*/b') } },
        ],
      },
    ],
    [
      'a utility namer that rewrites',
      '/svc => /$/io.buoyant.http.anyMethod',
      '/svc/GET/x',
      {
        type: 'delegate',
        path: '/svc/GET/x',
        delegate: {
          type: 'delegate',
          path: '/$/io.buoyant.http.anyMethod/GET/x',
          ...rule('/svc', '/$/io.buoyant.http.anyMethod'),
          delegate: { type: 'neg', path: '/x' },
        },
      },
    ],
    [
      'a namer that is not configured',
      '/svc => /#/io.l5d.nope',
      '/svc/web',
      {
        type: 'delegate',
        path: '/svc/web',
        delegate: {
          type: 'neg',
          path: '/#/io.l5d.nope/web',
          ...rule('/svc', '/#/io.l5d.nope'),
          message: 'no namer is configured for it (configured: /#/namer, /#/error)',
        },
      },
    ],
    ['an unknown class', '', '/$/nope', { type: 'exception', path: '/$/nope', message: 'Unknown namer: nope' }],
    [
      'a rule that leads to itself',
      '/a => /a',
      '/a',
      { type: 'exception', path: '/a', message: 'Max recursion level reached.' },
    ],
  ];
  for (const [what, dtab, path, json] of rows)
    test(`${what}: ${path}`, async () => assert.deepEqual(await explain(dtab, path), json));

  test('fields come in the order type, path, dentry, payload', async () =>
    assert.equal(
      JSON.stringify(await explain('/yeezy=>/yeezus', '/yeezy')),
      '{"type":"delegate","path":"/yeezy","delegate":{"type":"neg","path":"/yeezus","dentry":{"prefix":"/yeezy","dst":"/yeezus"}}}',
    ));
});

test('a namer that stays silent makes the explanation fail in time, and nothing is watched after it', async () => {
  await assert.rejects(delegate(binding(''), parsePath('/#/namer/silent'), 20), {
    code: 'TIMED_OUT',
    message: 'explaining /#/namer/silent took longer than 20 ms',
  });
  assert.equal(namer.watches.size, 0);
});

const tooLarge =
  /not explained further: it takes more than 2000 lookups or 5000 nodes; look for rules that multiply names/;

test('a table that doubles a name at every step is explained up to 2000 lookups', async () => {
  for (const dst of ['/a & /a', '/a | /a']) {
    const text = JSON.stringify(await explain(`/a => ${dst}`, '/a'));
    assert.match(text, /Max recursion level reached\./);
    assert.match(text, tooLarge);
  }
});

suite('one explanation stays under 5 MB, however wide the rules are', () => {
  const many = (count: number, dst: string) => Array(count).fill(dst);
  const rows: [what: string, dtab: string, path: string][] = [
    ['alternatives', `/a => ${many(9000, '/b').join('|')}`, '/a'],
    ['branches of a union', `/a => ${many(9000, '/b').join('&')}`, '/a'],
    ['alternatives that lead to themselves', `/a => ${many(1000, '/a').join('|')}`, '/a'],
    ['branches that lead to themselves', `/a => ${many(1000, '/a').join('&')}`, '/a'],
    ['rules for one name', `${many(23_000, '/a=>/b').join(';')}; /x => ${many(1900, '/a').join('|')}`, '/x'],
    ['alternatives and a path of 200 kB', `/a => ${many(1000, '/b').join('|')}`, `/a/${many(100_000, 'x').join('/')}`],
    [
      'alternatives under a prefix of 200 kB',
      `/${many(100_000, 'x').join('/')} => ${many(1000, '/b').join('|')}`,
      `/${many(100_000, 'x').join('/')}`,
    ],
    ['nested alternatives', `/a => ${many(190, '(/b|').join('')}/c${many(190, ')').join('')}`, '/a'],
  ];
  for (const [what, dtab, path] of rows)
    test(what, async () => {
      const { length } = JSON.stringify(await explain(dtab, path));
      assert.ok(length < 5_000_000, `${length} characters`);
    });
});

test('a rule of 1000 branches is explained whole: each branch shows the part of the rule that leads to it', async () => {
  const branches = Array.from({ length: 1000 }, (_, i) => `/backend-${i}`);
  const { union } = (await explain(`/svc => ${branches.join(' & ')}`, '/svc')) as { union: { tree: object }[] };
  assert.equal(union.length, 1000);
  assert.deepEqual(union[7].tree, { type: 'neg', path: '/backend-7', ...rule('/svc', '/backend-7') });
});

test('a name with many addresses, repeated by a rule, is refused once its answer would be larger than 8 MB', async () => {
  const delegation = await delegate(binding(`/a => ${Array(1000).fill('/#/namer/bro').join('|')}`), parsePath('/a'));
  const large = boundAddr(Array.from({ length: 1000 }, (_, i) => ({ ip: '10.0.0.1', port: i, meta: {} })));
  assert.throws(() => encodeDelegation(delegation, () => large, new AnswerSize('the explanation')), {
    code: 'ANSWER_TOO_LARGE',
    message:
      'the explanation would be larger than 8000000 bytes; look for rules that repeat a name with many addresses',
  });
});

test('a large table is explained in time, however many lookups that takes', async () => {
  const rules = Array.from({ length: 100_000 }, (_, i) => `/x/n${i}=>/y`).join(';');
  const before = performance.now();
  await explain(`${rules};/a=>/a & /a`, '/a');
  const tookMs = performance.now() - before;
  assert.ok(tookMs < 10_000, `${tookMs} ms`);
});
