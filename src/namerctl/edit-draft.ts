/**
 * The text a person edits: a dtab with its version, and above it notices of namerctl, lines that begin with `#!`. All of them are
 * comments of the dtab language, and every round takes the notices of the last one away.
 */
import { prettyDtab } from './layout.ts';
import { diffDtabs, showDiff } from './line-diff.ts';
import type { ShownDtab, StoredDtab } from './stored-dtab.ts';

const noticeMark = '#!';

export function firstDraft(namespace: string, url: string, stored: StoredDtab): string {
  const notice = [
    `${namespace} at ${url}. Save and leave the editor to store it; leave it as it is to change nothing.`,
    'The last dentry that matches a name wins. Comments are not stored.',
  ];
  return withNotice(prettyDtab(stored), notice);
}

export function withNotice(text: string, notice: readonly string[]): string {
  return `${notice.map(line => `${noticeMark} ${line}`.trimEnd()).join('\n')}\n${text}`;
}

/** The text without notices. */
export function withoutNotices(text: string): string {
  return text
    .split('\n')
    .filter(line => !line.startsWith(noticeMark))
    .join('\n');
}

export function conflictNotice(namespace: string, before: ShownDtab, present: StoredDtab): readonly string[] {
  const change = showDiff(diffDtabs(before, present.dtab), (_, text) => text);
  return [
    `Nothing is stored yet: somebody else changed ${namespace} while you edited it. Their change:`,
    ...change
      .trimEnd()
      .split('\n')
      .map(line => `  ${line}`),
    'Below is your text, which does not have it. Save with any change to store yours in the place of theirs: deleting',
    'this line is one. Leave the file as it is to give up.',
  ];
}

/** Whose version the text is of, as far as its reader is told. */
export function atVersion(text: string, version: string): string {
  return text.replace(/^# version \S+$/m, () => `# version ${version}`);
}
