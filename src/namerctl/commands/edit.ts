/**
 * `edit`: a dtab in the operator's editor, stored only if it has not changed meanwhile.
 *
 *   after the editor | unchanged           | not a dtab, refused    | a dtab, not changed since | a dtab, changed since
 *   -----------------+---------------------+------------------------+---------------------------+-----------------------
 *   first time       | done, nothing to do | again, with the reason | stored, done              | again, with both
 *   again            | given up            | again, with the reason | stored, done              | again, with both
 *
 * Whatever else fails, and giving up, keeps the file: the work of a person is not lost.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { LinkerdTcpError, reasonOf } from '../../errors.ts';
import { namespaceArgument, namespaceIn } from '../arguments.ts';
import type { CommandSpec } from '../command-spec.ts';
import { parseInput } from '../dtab-input.ts';
import { atVersion, conflictNotice, firstDraft, withNotice, withoutNotices } from '../edit-draft.ts';
import { jsonLine } from '../layout.ts';
import { type DiffLine, diffDtabs, diffJson, isSame, showDiff } from '../line-diff.ts';
import { jsonBody } from '../namerd-api.ts';
import { shownUrl } from '../request-target.ts';
import type { Session } from '../session.ts';
import type { StoredDtab } from '../stored-dtab.ts';

export const edit: CommandSpec = {
  name: 'edit',
  summary: 'change a dtab in your editor',
  about:
    'Opens $VISUAL, else $EDITOR, else vi. The saved text is stored unless the dtab has changed in the meantime or the text is ' +
    'not a dtab: then the editor opens again and shows the reason. An editor with a window needs a flag to wait: ' +
    "EDITOR='code --wait'.",
  args: [namespaceArgument],
  examples: [['edit default', 'leave the file as it is to change nothing']],
  isOfDtab: true,
  async run(session, [word]) {
    const namespace = namespaceIn(word);
    const stored = await session.api.get(namespace);
    const folder = mkdtempSync(join(session.terminal.env['TMPDIR'] || tmpdir(), 'namerctl-'));
    const file = join(folder, `${namespace.replace(/[^\w.-]/g, '_')}.dtab`);
    const lines = await new Editing(session, namespace, file).run(stored);
    rmSync(folder, { recursive: true });
    if (session.isJson) session.print(jsonLine({ namespace, updated: !isSame(lines), changes: diffJson(lines) }));
    else if (isSame(lines)) session.print(`No changes to ${namespace}\n`);
    else session.print(`${showDiff(lines, session.paint)}Updated ${namespace}\n`);
    return undefined;
  },
};

class Editing {
  readonly #session: Session;
  readonly #namespace: string;
  readonly #file: string;

  constructor(session: Session, namespace: string, file: string) {
    this.#session = session;
    this.#namespace = namespace;
    this.#file = file;
  }

  /** @returns the changes that are stored now */
  async run(stored: StoredDtab): Promise<readonly DiffLine[]> {
    const { api } = this.#session;
    let present = stored;
    let draft = firstDraft(this.#namespace, shownUrl(api.baseUrl.url), present);
    let reason: LinkerdTcpError | undefined;
    for (;;) {
      const saved = await this.#edited(draft, reason === undefined);
      if (saved === draft && reason !== undefined) throw this.#abandoned(reason.message.split('\n')[0], reason);
      if (saved === draft || saved.trim() === '') return [];
      const text = withoutNotices(saved);
      try {
        const { dtab } = parseInput(this.#file, text);
        const lines = diffDtabs(present.dtab, dtab);
        if (!isSame(lines)) await api.update(this.#namespace, jsonBody(dtab), api.versionIn(this.#namespace, present));
        return lines;
      } catch (error) {
        if (!(error instanceof LinkerdTcpError)) throw error;
        reason = error;
      }
      switch (reason.code) {
        case 'INPUT_INVALID':
        case 'NAMERD_REFUSED':
          draft = withNotice(text, noticeOf(reason));
          break;
        case 'NAMERD_CONFLICT': {
          const theirs = await this.#present(reason);
          const notice = conflictNotice(this.#namespace, present.dtab, theirs);
          draft = withNotice(atVersion(text, theirs.version ?? 'unknown'), notice);
          present = theirs;
          break;
        }
        default:
          throw this.#abandoned(reason.message, reason);
      }
    }
  }

  /** The content of the file after the editor has ended. */
  async #edited(draft: string, isFirst: boolean): Promise<string> {
    const { env } = this.#session.terminal;
    const command = env['VISUAL'] || env['EDITOR'] || 'vi';
    writeFileSync(this.#file, draft, { mode: 0o600 });
    const ended = await this.#session.terminal.edit(command, this.#file);
    const saved = this.#saved();
    if (ended === 0) return saved;
    const reason = typeof ended === 'number' ? `${command} ended with ${ended}` : `${command}: ${ended}`;
    // The first draft has no work in it yet.
    if (!isFirst || saved !== draft) throw this.#abandoned(reason);
    rmSync(dirname(this.#file), { recursive: true });
    throw new LinkerdTcpError('EDITOR_FAILED', { reason });
  }

  #saved(): string {
    try {
      return readFileSync(this.#file, 'utf8');
    } catch (error) {
      throw this.#abandoned(`the file is gone (${reasonOf(error)})`, error);
    }
  }

  async #present(conflict: LinkerdTcpError): Promise<StoredDtab> {
    try {
      return await this.#session.api.get(this.#namespace);
    } catch (error) {
      throw this.#abandoned(`${conflict.message}; ${reasonOf(error)}`, error);
    }
  }

  #abandoned(reason: string, cause?: unknown): LinkerdTcpError {
    return new LinkerdTcpError('EDIT_ABANDONED', { reason, file: this.#file }, { cause });
  }
}

/** The place as it is below the notice itself. */
function noticeOf({ code, message, details }: LinkerdTcpError): readonly string[] {
  if (code !== 'INPUT_INVALID') return ['Not stored, try again:', ...message.split('\n')];
  const said = String(details.reason).split('\n');
  const line = Number(details.line) + said.length + 1;
  return [
    `Not stored: line ${line}, column ${details.column}: ${said[0]}`,
    ...said.slice(1),
    'Correct it, or leave the file as it is to give up.',
  ];
}
