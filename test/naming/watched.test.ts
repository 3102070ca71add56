/** What stands around every namer. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import {
  BehaviorSubject,
  defer,
  NEVER,
  type Observable,
  of,
  Subject,
  switchMap,
  throwError,
  VirtualTimeScheduler,
} from 'rxjs';
import { leaf, type NameTree, neg } from '../../src/dtab/name-tree.ts';
import type { Path } from '../../src/dtab/path.ts';
import { type Activity, failed, ok, pending } from '../../src/live/activity.ts';
import { type Addr, boundAddr, failedAddr, pendingAddr } from '../../src/naming/addr.ts';
import type { Name } from '../../src/naming/name.ts';
import { watched } from '../../src/naming/watched.ts';
import { namingContext, observe } from '../support/naming.ts';

type Answer = Observable<Activity<NameTree<Name>>>;

function around(lookup: (path: Path) => Answer) {
  const scheduler = new VirtualTimeScheduler();
  const context = namingContext({ now: () => scheduler.now(), random: () => 0.5 });
  const namer = watched({ lookup }, { ...context, prefix: ['#', 'n'], scheduler });
  const passes = (ms: number) => {
    scheduler.maxFrames = scheduler.frame + ms;
    scheduler.schedule(() => {}, ms);
    scheduler.flush();
  };
  return { namer, log: context.log, passes, now: context.now };
}

const found = (addr: Observable<Addr>): Activity<NameTree<Name>> =>
  ok(leaf<Name>({ type: 'bound', bound: { id: ['#', 'n', 'x'], residual: [], addr } }));
const nothing: Activity<NameTree<Name>> = ok(neg);
const at = (ip: string): Addr => boundAddr([{ ip, port: 1, meta: {} }]);
const states = (t: TestContext, answer: Answer) => observe(t, answer).values;
const addrOf = (activity: Activity<NameTree<Name>>): Observable<Addr> =>
  activity.state === 'ok' && activity.value.type === 'leaf' && activity.value.value.type === 'bound'
    ? activity.value.value.bound.addr
    : NEVER;

test('repetitions are suppressed: a tree of the same names is the same tree', t => {
  const answers = new Subject<Activity<NameTree<Name>>>();
  const { namer } = around(() => answers);
  const seen = states(t, namer.lookup(['x']));
  answers.next(found(of(at('1.1.1.1'))));
  answers.next(found(of(at('2.2.2.2'))));
  answers.next(nothing);
  answers.next(nothing);
  assert.deepEqual(
    seen.map(activity => (activity.state === 'ok' ? activity.value.type : activity.state)),
    ['pending', 'leaf', 'neg'],
  );
});

test('a good answer outlives pending and failed, and its age tells', t => {
  const answers = new BehaviorSubject<Activity<NameTree<Name>>>(failed(new Error('down')));
  const { namer, log, passes } = around(() => answers);
  const seen = states(t, namer.lookup(['x']));
  const status = () => namer.watches().map(({ path, ageMs, failure }) => [path, ageMs, failure]);
  assert.deepEqual(status(), [['/#/n/x', undefined, 'down']]);
  answers.next(nothing);
  passes(50);
  assert.deepEqual(status(), [['/#/n/x', 0, undefined]]);
  answers.next(failed(new Error('down again')));
  answers.next(pending);
  passes(70);
  answers.next(failed(new Error('down again')));
  assert.deepEqual(status(), [['/#/n/x', 70, 'down again']]);
  answers.next(nothing);
  assert.deepEqual(status(), [['/#/n/x', 0, undefined]]);
  assert.deepEqual(
    seen.map(({ state }) => state),
    ['pending', 'failed', 'ok'],
  );
  assert.deepEqual(log.lines, [
    'warn: /#/n/x: down',
    'info: /#/n/x: recovered',
    'warn: /#/n/x: down again; the last known answer stays in use',
    'info: /#/n/x: recovered',
  ]);
});

test('a failure is logged once, however many observers come and go, and again after a recovery', () => {
  const answers = new BehaviorSubject<Activity<NameTree<Name>>>(failed(new Error('down')));
  const { namer, log } = around(() => answers);
  const ask = () => namer.lookup(['x']).subscribe().unsubscribe();
  for (let i = 0; i < 10; i++) ask();
  assert.deepEqual(log.lines, ['warn: /#/n/x: down']);
  answers.next(nothing);
  ask();
  answers.next(failed(new Error('down')));
  for (let i = 0; i < 10; i++) ask();
  assert.deepEqual(log.lines, ['warn: /#/n/x: down', 'info: /#/n/x: recovered', 'warn: /#/n/x: down']);
});

test('addresses outlive pending and failed too', t => {
  const addr = new BehaviorSubject<Addr>(pendingAddr);
  const { namer } = around(() => of(found(addr)));
  const seen = observe(t, namer.lookup(['x']).pipe(switchMap(addrOf))).values;
  addr.next(failedAddr(new Error('down')));
  addr.next(at('1.1.1.1'));
  addr.next(at('1.1.1.1'));
  addr.next(failedAddr(new Error('down')));
  addr.next(pendingAddr);
  addr.next(at('2.2.2.2'));
  assert.deepEqual(
    seen.map(value => (value.state === 'bound' ? value.addresses[0].ip : value.state)),
    ['pending', 'failed', '1.1.1.1', '2.2.2.2'],
  );
});

test('a namer that breaks off is asked again, ever later, at random, up to half a minute', t => {
  const asked: number[] = [];
  const made: ReturnType<typeof around> = around(() =>
    defer(() => {
      asked.push(made.now());
      return throwError(() => new Error('broke off'));
    }),
  );
  const seen = states(t, made.namer.lookup(['x']));
  made.passes(200_000);
  const waits = asked.slice(1).map((time, i) => time - asked[i]);
  assert.deepEqual(waits.slice(0, 9), [250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
  assert.deepEqual(
    seen.map(({ state }) => state),
    ['pending', 'failed'],
  );
});

test('a namer that throws instead of answering fails the name', t => {
  const { namer } = around(() => {
    throw new Error('broken');
  });
  const seen = states(t, namer.lookup(['x']));
  assert.deepEqual(seen, [pending, failed(new Error('broken'))]);
});

test('one watch serves all observers of a name, later ones start with the last state, the last one ends it', t => {
  const asked: string[] = [];
  const answers = new BehaviorSubject<Activity<NameTree<Name>>>(nothing);
  const { namer } = around(path => {
    asked.push(path.join());
    return answers;
  });
  const first = observe(t, namer.lookup(['x']));
  const second = observe(t, namer.lookup(['x']));
  assert.deepEqual([asked, second.values], [['x'], [nothing]]);
  first.stop();
  assert.equal(answers.observed, true);
  second.stop();
  assert.equal(answers.observed, false);
  assert.deepEqual(namer.watches(), []);
  observe(t, namer.lookup(['x']));
  assert.deepEqual(asked, ['x', 'x']);
});
