/**
 * The commands, in the order of the help. Each is loaded only when it is needed: most of the time of a run is loading what it does
 * not use.
 */
import type { CommandSpec } from '../command-spec.ts';

type Load = () => Promise<CommandSpec>;

/** By name, then aliases, as the command itself has them. */
const loaders: readonly (readonly [names: readonly string[], load: Load])[] = [
  [['list', 'ls'], async () => (await import('../commands/list.ts')).list],
  [['get', 'cat'], async () => (await import('../commands/get.ts')).get],
  [['create', 'new'], async () => (await import('../commands/create.ts')).create],
  [['update', 'up'], async () => (await import('../commands/update.ts')).update],
  [['delete', 'del', 'rm'], async () => (await import('../commands/delete.ts')).del],
  [['edit'], async () => (await import('../commands/edit.ts')).edit],
  [['diff'], async () => (await import('../commands/diff.ts')).diff],
  [['split'], async () => (await import('../commands/split.ts')).split],
  [['watch'], async () => (await import('../commands/watch.ts')).watchDtab],
  [['history'], async () => (await import('../commands/history.ts')).history],
  [['restore'], async () => (await import('../commands/restore.ts')).restore],
  [['explain', 'delegate'], async () => (await import('../commands/explain.ts')).explain],
  [['bind'], async () => (await import('../commands/bind.ts')).bind],
  [['resolve'], async () => (await import('../commands/resolve.ts')).resolve],
];

const completionName = 'completion';

/** Of all commands, with aliases. */
export const commandNames: readonly string[] = [...loaders.flatMap(([names]) => names), completionName];

export async function allCommands(): Promise<readonly CommandSpec[]> {
  const known = await Promise.all(loaders.map(([, load]) => load()));
  const { completion } = await import('../commands/completion.ts');
  return [...known, completion(known)];
}

/** Those that `args` may be about: every word that names a command counts. All of them where the help shows all. */
export async function commandsFor(args: readonly string[]): Promise<readonly CommandSpec[]> {
  const wanted = loaders.filter(([names]) => names.some(name => args.includes(name)));
  if (wanted.length === 0 && (args.includes('--version') || args.includes('-V'))) return [];
  if (wanted.length === 0 || args.includes('help') || args.includes(completionName)) return allCommands();
  return Promise.all(wanted.map(([, load]) => load()));
}
