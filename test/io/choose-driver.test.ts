/** Which driver runs, and why. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { chooseDriver } from '../../src/io/drivers/choose-driver.ts';

test('the portable driver can always be chosen by name', async () => {
  assert.deepEqual(await chooseDriver('portable'), { kind: 'portable', reason: 'configured' });
});

test('auto chooses a native driver if the machine allows one', async () => {
  const { kind } = await chooseDriver('auto');
  assert.equal(kind !== 'portable', process.platform === 'linux');
});

test('without node:ffi auto falls back to the portable driver and gives the reason; a native one by name is an error', () => {
  // Node's permission model, without --allow-ffi, refuses node:ffi: what a hardened installation would do.
  const script = `
    const { chooseDriver } = await import(${JSON.stringify(new URL('../../src/io/drivers/choose-driver.ts', import.meta.url).href)});
    console.log(JSON.stringify(await chooseDriver('auto')));
    await chooseDriver('uring').catch(error => console.log(error.message));`;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--permission', '--allow-fs-read=*', '--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script],
    { encoding: 'utf8' },
  );
  const [choice, message] = stdout.trim().split('\n');
  assert.equal(JSON.parse(choice).kind, 'portable', stderr);
  assert.match(JSON.parse(choice).reason, /node:ffi cannot be used/);
  assert.match(message, /^driver uring cannot run here: /);
});
