/** The table of commands, in the order of the help. */
import type { CommandSpec } from '../command-spec.ts';
import { bind } from '../commands/bind.ts';
import { completion } from '../commands/completion.ts';
import { create } from '../commands/create.ts';
import { del } from '../commands/delete.ts';
import { diff } from '../commands/diff.ts';
import { edit } from '../commands/edit.ts';
import { explain } from '../commands/explain.ts';
import { get } from '../commands/get.ts';
import { history } from '../commands/history.ts';
import { list } from '../commands/list.ts';
import { resolve } from '../commands/resolve.ts';
import { restore } from '../commands/restore.ts';
import { split } from '../commands/split.ts';
import { update } from '../commands/update.ts';
import { watchDtab } from '../commands/watch.ts';

const known: readonly CommandSpec[] = [
  list,
  get,
  create,
  update,
  del,
  edit,
  diff,
  split,
  watchDtab,
  history,
  restore,
  explain,
  bind,
  resolve,
];

export const commands: readonly CommandSpec[] = [...known, completion(known)];
