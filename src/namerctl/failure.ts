/** The message for an operator when namerctl fails: once, on standard error, with the next step if known. */
import { type ErrorCode, LinkerdTcpError } from '../errors.ts';

const hints: Partial<Record<ErrorCode, string>> = {
  NAMERD_UNREACHABLE:
    'Is namerd running? Set its address with --base-url, NAMERCTL_BASE_URL or base-url in .namerctl.yaml.',
  NAMERD_ANSWER: 'Is that namerd? The base URL must lead to its HTTP API, mostly on port 4180.',
  NAMERD_EXISTS: 'Replace it with: namerctl update {namespace} FILE',
  NAMERD_CONFLICT: 'Nothing was changed. See what is there now with: namerctl get {namespace}',
  EDITOR_FAILED: 'Choose an editor with VISUAL or EDITOR.',
  NAME_UNBOUND: 'See why with: namerctl explain --namespace {namespace} {path}',
  INPUT_INVALID: 'Nothing was sent.',
  USAGE_INVALID: 'Try: namerctl --help',
};

export function failureText(error: unknown): string {
  if (!(error instanceof LinkerdTcpError))
    return `namerctl: internal error, please report it\n${error instanceof Error ? error.stack : String(error)}\n`;
  const { code, details, message } = error;
  // Some errors know better than their row.
  const hint =
    (details.advice as string | undefined) ??
    hints[code]?.replace(/\{(\w+)\}/g, (_, name: string) => String(details[name]));
  return `namerctl: ${message}\n${hint === undefined ? '' : `${hint}\n`}`;
}
