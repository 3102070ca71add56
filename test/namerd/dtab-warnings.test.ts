/** What is said about a dtab before it is stored. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDtab, parsePath } from '../../src/dtab/parse.ts';
import { dtabWarnings } from '../../src/namerd/dtab-warnings.ts';

const namers = [parsePath('/#/io.l5d.fs')];
const warnings = (text: string) =>
  dtabWarnings(parseDtab(text), namers).map(({ kind, dentry, message }) => `${dentry} ${kind}: ${message}`);

for (const [title, dtab, expected] of [
  ['a dtab that is in order', '/svc=>/host;/host=>/#/io.l5d.fs;/host/x=>/$/inet/127.1/80 | /svc/y', []],
  [
    'a rule behind which the same names always fail',
    '/svc/a=>/b;/svc=>!',
    ['0 shadowed: never applies: /svc=>! comes later and takes every name it could'],
  ],
  [
    'a wildcard that takes all',
    '/svc/a/b=>/c;/svc/*=>/x | $',
    ['0 shadowed: never applies: /svc/*=>/x | $ comes later and takes every name it could'],
  ],
  ['a later rule that may say nothing', '/svc/a=>/b;/svc=>/c', []],
  ['a later rule for fewer names', '/svc=>/b;/svc/a=>!', []],
  ['a rule that leads to itself', '/a=>/a/b', ['0 loop: leads back to itself: /a=>/a/b']],
  ['a round of rules', '/a=>/b;/b=>/c/d;/c=>/a', ['0 loop: leads back to itself: /a=>/b → /b=>/c/d → /c=>/a']],
  ['rules that use their names up', '/a/*=>/a', []],
  [
    'a namer that is not there',
    '/svc=>/#/io.l5d.consul/dc',
    ['0 unknown-namer: /#/io.l5d.consul/dc: no namer of this namerd has that prefix; there are /#/io.l5d.fs'],
  ],
  ['a namer that a rule stands for', '/svc=>/#/io.l5d.consul/dc;/#/io.l5d.consul=>/#/io.l5d.fs', []],
  [
    'a built-in namer that is not there',
    '/svc=>/$/io.buoyant.nothing',
    ['0 unknown-namer: /$/io.buoyant.nothing: no such namer is built in'],
  ],
  ['built-in namers', '/svc=>/$/inet | /$/io.buoyant.hostportPfx/web | /$/nil | /$', []],
] as const)
  test(`${title}: ${expected.length === 0 ? 'nothing to say' : expected[0].split(':', 1)}`, () => {
    assert.deepEqual(warnings(dtab), expected);
  });
