/** The help: where it goes, and that it names what there is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commonFlags } from '../../src/namerctl/common-flags.ts';
import { allCommands } from '../../src/namerctl/program/commands.ts';
import { namerctl } from './setup.ts';

for (const [args, usage] of [
  [[], 'Usage: namerctl <command> [options]\n'],
  [['--help'], 'Usage: namerctl <command> [options]\n'],
  [['help'], 'Usage: namerctl <command> [options]\n'],
  [['dtab'], 'Usage: namerctl dtab <command> [options]\n'],
  [['dtab', '-h'], 'Usage: namerctl dtab <command> [options]\n'],
  [['help', 'dtab'], 'Usage: namerctl dtab <command> [options]\n'],
  [['help', 'get'], 'Usage: namerctl get|cat [options] <namespace>\n'],
  [['dtab', 'help', 'get'], 'Usage: namerctl dtab get|cat [options] <namespace>\n'],
  [['dtab', 'get', '--help'], 'Usage: namerctl dtab get|cat [options] <namespace>\n'],
] as const)
  test(`${['namerctl', ...args].join(' ')} prints help on standard output`, async () => {
    const { code, stdout, stderr } = await namerctl(args);
    assert.equal(code, 0);
    assert.equal(stderr, '');
    assert.ok(stdout.startsWith(usage), stdout);
  });

test('the help of the program names every command', async () => {
  const { stdout } = await namerctl(['--help']);
  for (const { name, summary } of await allCommands())
    assert.match(stdout, new RegExp(`^ {2}${name}\\b.*${summary}$`, 'm'));
});

for (const { name, flags = [], examples, args } of await allCommands())
  test(`the help of ${name} names its arguments and flags and has examples`, async () => {
    const { stdout } = await namerctl([name, '--help']);
    for (const argument of args) assert.ok(stdout.includes(`  ${argument.name} `), argument.name);
    for (const flag of [...flags, ...commonFlags]) assert.ok(stdout.includes(flag.flags), flag.flags);
    assert.ok(examples.length > 0);
    for (const [line] of examples) {
      assert.ok(stdout.includes(`  namerctl ${line}`), line);
      assert.equal(line.split(' ')[0], name);
    }
  });
