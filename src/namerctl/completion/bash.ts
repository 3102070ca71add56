/** Completion for bash. */
import type { Argument } from '../command-spec.ts';
import { type CommandWords, dtabWord, namespacesCommand, valueFlags, type Words } from './words.ts';

export function bashCompletion(words: Words): string {
  const names = (commands: readonly CommandWords[]) => commands.flatMap(command => command.names).join(' ');
  const commonFlags = words.common.flatMap(flag => flag.names).join(' ');
  return `# bash completion for namerctl; made by: namerctl completion bash
_namerctl() {
  # COMP_WORDS is also cut at = and :, which URLs and namespaces have.
  local line=\${COMP_LINE:0:COMP_POINT} current=\${COMP_WORDS[COMP_CWORD]}
  local command= position=0 dtab= value= previous= offered= i
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
  COMPREPLY=()
  if [[ $value ]]; then
    case $command:$previous in
${[...words.commands.flatMap(valueCases), ...valueCases({ names: ['*'], flags: words.common })].join('')}    esac
    return
  fi
  if [[ ! $command ]]; then
    if [[ $dtab ]]; then offered='${names(words.commands.filter(command => command.isOfDtab))}'
    else offered='${names(words.commands)} ${dtabWord} help'; fi
    COMPREPLY=($(compgen -W "$offered ${commonFlags}" -- "$current"))
    return
  fi
  case $command in
${words.commands.map(commandCase).join('')}  esac
  if [[ $current == -* ]]; then offered="$offered ${commonFlags}"; fi
  COMPREPLY+=($(compgen -W "$offered" -- "$current"))
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
    ownFlags && `      if [[ $current == -* ]]; then offered='${ownFlags}'; fi\n`,
    positions.length > 0 &&
      `      if [[ $current != -* ]]; then case $position in\n${positions.join('')}      esac; fi\n`,
  ].filter(Boolean);
  return `    ${names.join(' | ')})\n${lines.join('') || '      :\n'}      ;;\n`;
}

function offer(completes: Argument['completes']): string {
  if (completes === 'files') return 'COMPREPLY=($(compgen -f -- "$current"))';
  const words = completes === 'namespaces' ? `$(${namespacesCommand})` : (completes ?? []).join(' ');
  return `COMPREPLY=($(compgen -W "${words}" -- "$current"))`;
}
