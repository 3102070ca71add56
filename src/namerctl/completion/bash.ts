/**
 * Completion for bash.
 *
 * Names of namespaces come from a server, so they are foreign text in the operator's shell. They are never expanded:
 * no `compgen -W`, no unquoted substitution, only a comparison of strings, and what is offered is quoted for the command line.
 */
import type { Argument } from '../command-spec.ts';
import { type CommandWords, dtabWord, namespacesCommand, valueFlags, type Words } from './words.ts';

export function bashCompletion(words: Words): string {
  const names = (commands: readonly CommandWords[]) => commands.flatMap(command => command.names).join(' ');
  const commonFlags = words.common.flatMap(flag => flag.names).join(' ');
  return `# bash completion for namerctl; made by: namerctl completion bash
# Offers those of the given words that begin with what has been typed. Reads typed and current of _namerctl.
_namerctl_offer() {
  local word quoted
  for word in "$@"; do
    if [[ $word != "$typed"* ]]; then continue; fi
    # bash replaces only what follows the last = or : that was typed.
    word=\${word:\${#typed}-\${#current}}
    printf -v quoted %q "$word"
    COMPREPLY+=("$quoted")
  done
}

_namerctl_namespaces() {
  local name
  while IFS= read -r name; do _namerctl_offer "$name"; done < <(${namespacesCommand})
}

_namerctl_files() {
  local file
  # Lets readline quote the names and add a slash to directories; there is no readline in a test.
  compopt -o filenames 2>/dev/null
  while IFS= read -r file; do COMPREPLY+=("$file"); done < <(compgen -f -- "$current")
}

_namerctl() {
  # COMP_WORDS is also cut at = and :, which URLs and namespaces have.
  local line=\${COMP_LINE:0:COMP_POINT} current=\${COMP_WORDS[COMP_CWORD]}
  local command= position=0 dtab= value= previous= typed= i
  local -a words
  read -ra words <<< "$line"
  if [[ $line == *[[:space:]] ]]; then words+=(''); fi
  for ((i = 1; i < \${#words[@]} - 1; i++)); do
    previous=\${words[i]}
    if [[ $value ]]; then value=; continue; fi
    case $previous in
      ${valueFlags(words).join(' | ')}) value=1 ;;
      -*) ;;
      ${dtabWord}) if [[ $command || $dtab ]]; then ((position++)); else dtab=1; fi ;;
      *) if [[ $command ]]; then ((position++)); else command=$previous; fi ;;
    esac
  done
  typed=\${words[\${#words[@]} - 1]}
  if [[ $typed != *"$current" ]]; then typed=$current; fi
  COMPREPLY=()
  if [[ $value ]]; then
    case $command:$previous in
${[...words.commands.flatMap(valueCases), ...valueCases({ names: ['*'], flags: words.common })].join('')}    esac
    return
  fi
  if [[ ! $command ]]; then
    if [[ $dtab ]]; then _namerctl_offer ${names(words.commands.filter(command => command.isOfDtab))}
    else _namerctl_offer ${names(words.commands)} ${dtabWord} help; fi
    _namerctl_offer ${commonFlags}
    return
  fi
  case $command in
${words.commands.map(commandCase).join('')}  esac
  if [[ $current == -* ]]; then _namerctl_offer ${commonFlags}; fi
}
complete -F _namerctl namerctl
`;
}

function valueCases({ names, flags }: Pick<CommandWords, 'names' | 'flags'>): string[] {
  return flags
    .filter(flag => flag.takesValue && flag.completes !== undefined)
    .map(flag => {
      const patterns = names.flatMap(name => flag.names.map(word => `${name}:${word}`));
      return `      ${patterns.join(' | ')}) ${offer(flag.completes)} ;;\n`;
    });
}

function commandCase({ names, args, flags }: CommandWords): string {
  const positions = args.flatMap(({ completes }, i) =>
    completes === undefined || completes.length === 0 ? [] : [`        ${i}) ${offer(completes)} ;;\n`],
  );
  const ownFlags = flags.flatMap(flag => flag.names).join(' ');
  const lines = [
    ownFlags && `      if [[ $current == -* ]]; then _namerctl_offer ${ownFlags}; fi\n`,
    positions.length > 0 &&
      `      if [[ $current != -* ]]; then case $position in\n${positions.join('')}      esac; fi\n`,
  ].filter(Boolean);
  return `    ${names.join(' | ')})\n${lines.join('') || '      :\n'}      ;;\n`;
}

function offer(completes: Argument['completes']): string {
  if (completes === 'files') return '_namerctl_files';
  return completes === 'namespaces' ? '_namerctl_namespaces' : `_namerctl_offer ${(completes ?? []).join(' ')}`;
}
