/** What an operator reads when namerctl fails: once, on standard error, with the next step where there is one. */
import { type ErrorCode, LinkerdTcpError } from '../errors.ts';

const hints: Partial<Record<ErrorCode, string>> = {
  NAMERD_UNREACHABLE: 'Is namerd there? Say where with --base-url, NAMERCTL_BASE_URL or base-url in .namerctl.yaml.',
  NAMERD_MISSING: 'See what there is with: namerctl list',
  NAMERD_EXISTS: 'Replace it with: namerctl update {namespace} FILE',
  NAMERD_CONFLICT: 'Nothing was stored. See what is there now with: namerctl get {namespace}',
  NAME_UNBOUND: 'See why with: namerctl explain --namespace {namespace} {path}',
  INPUT_INVALID: 'Nothing was sent.',
  USAGE_INVALID: 'Try: namerctl --help',
};

export function failureText(error: unknown): string {
  if (!(error instanceof LinkerdTcpError))
    return `namerctl: internal error, please report it\n${error instanceof Error ? error.stack : String(error)}\n`;
  const { code, details, message } = error;
  const hint = hints[code]?.replace(/\{(\w+)\}/g, (_, name: string) => String(details[name]));
  return `namerctl: ${message}\n${hint === undefined ? '' : `${hint}\n`}`;
}
