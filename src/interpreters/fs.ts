/**
 * Interpreter `io.l5d.fs`: a dtab in a file, followed live, with the router's dtab behind it (which wins) and the namers of the
 * same config. A file that is bad or gone changes nothing: the last good dtab stays in force.
 */

import { defer, distinctUntilChanged, filter, firstValueFrom, map, type Observable } from 'rxjs';
import { z } from 'zod';
import { filePath } from '../config/file-fields.ts';
import { concat, type Dtab, sameDtab } from '../dtab/dtab.ts';
import { DtabSyntaxError, parseDtab } from '../dtab/parse.ts';
import { type Activity, failed, ok, sameActivity } from '../live/activity.ts';
import { Confirmation, keepLastGood } from '../live/last-good.ts';
import { flatMapOk } from '../live/live.ts';
import { type FileContent, watchFile } from '../live/watch-file.ts';
import { bindTree } from '../naming/bind.ts';
import { builtinNamer } from '../naming/builtin/builtin.ts';
import { delegate } from '../naming/delegate.ts';
import { defineInterpreter } from '../naming/kinds.ts';
import { shareLast } from '../naming/watched.ts';

/** A dtab of this size has tens of thousands of rules. */
const maxBytes = 5_000_000;

export const fsInterpreter = defineInterpreter({
  kind: 'io.l5d.fs',
  config: z.strictObject({
    dtabFile: filePath('optional').meta({ description: 'file with a dtab; each change takes effect at once' }),
  }),
  create: ({ dtabFile }, { namers, dns, log, now }) => {
    const builtin = builtinNamer(dns);
    const stored = followDtab(dtabFile, now, (problem, isBridged) => {
      if (problem === undefined) log.info(`${dtabFile}: recovered; its dtab is in effect`);
      else log.error(`${problem}${isBridged ? '; the last good dtab stays in force' : '; no name can be bound'}`);
    });
    return {
      bind: (dtab, path) => stored.pipe(flatMapOk(own => bindTree({ dtab: concat(own, dtab), namers, builtin }, path))),
      delegate: async (dtab, path) => {
        const own = await firstValueFrom(stored.pipe(filter(({ state }) => state !== 'pending')));
        if (own.state === 'failed') throw own.error;
        return delegate({ dtab: concat(own.state === 'ok' ? own.value : [], dtab), namers, builtin }, path);
      },
    };
  },
});

function followDtab(
  file: string,
  now: () => number,
  changed: (problem: string | undefined, isBridged: boolean) => void,
): Observable<Activity<Dtab>> {
  return defer(() => {
    const confirmation = new Confirmation(now, problem => changed(problem, confirmation.ageMs !== undefined));
    return watchFile(file, { maxBytes }).pipe(
      map(content => read(file, content)),
      confirmation.observe(),
      keepLastGood(),
      distinctUntilChanged((a, b) => sameActivity(a, b, sameDtab)),
    );
  }).pipe(shareLast());
}

function read(file: string, content: FileContent): Activity<Dtab> {
  switch (content.type) {
    case 'text':
      try {
        return ok(parseDtab(content.text.replace(/^\uFEFF/, '')));
      } catch (error) {
        if (!(error instanceof DtabSyntaxError)) throw error;
        return failed(new Error(`${file}:${error.line}:${error.column}: ${error.brief}`));
      }
    case 'missing':
      return failed(new Error(`${file}: no such file`));
    case 'directory':
      return failed(new Error(`${file}: is a directory`));
    default:
      return failed(new Error(`${file}: cannot be read: ${content.error.message}`));
  }
}
