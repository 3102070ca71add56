/** Completion for zsh, in the terms of its `_arguments`. */
import type { Argument } from '../command-spec.ts';
import { type CommandWords, dtabSummary, dtabWord, type FlagWords, namespacesCommand, type Words } from './words.ts';

export function zshCompletion(words: Words): string {
  const common = words.common.map(flagSpec);
  return `#compdef namerctl
# zsh completion for namerctl; made by: namerctl completion zsh
_namerctl_namespaces() {
  local -a namespaces
  namespaces=(\${(f)"$(${namespacesCommand})"})
  compadd -a namespaces
}

_namerctl_command() {
  case $1 in
${words.commands.map(command => commandCase(command, common)).join('')}  esac
}

_namerctl_commands() {
  local curcontext=$curcontext state line
  local -a commands
  _arguments -C ${common.join(' ')} '1:command:->command' '*::argument:->argument'
  case $state in
    command)
      if [[ $1 == ${dtabWord} ]]; then
        commands=(${described(words.commands.filter(command => command.isOfDtab))})
      else
        commands=(${described(words.commands)} ${quoted(`${dtabWord}:${dtabSummary}`)})
      fi
      _describe command commands
      ;;
    argument)
      if [[ $line[1] == ${dtabWord} && $1 != ${dtabWord} ]]; then _namerctl_commands ${dtabWord}
      else _namerctl_command $line[1]; fi
      ;;
  esac
}

_namerctl() { _namerctl_commands }

if [[ $funcstack[1] == _namerctl ]]; then _namerctl "$@"; else compdef _namerctl namerctl; fi
`;
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

const described = (commands: readonly CommandWords[]): string =>
  commands.flatMap(({ names, summary }) => names.map(name => quoted(`${name}:${summary}`))).join(' ');

function commandCase({ names, args, flags }: CommandWords, common: readonly string[]): string {
  const positions = args.map(({ name, isRepeated, completes }, i) =>
    quoted(`${isRepeated ? '*' : i + 1}:${name}:${action(completes)}`),
  );
  const specs = [...flags.map(flagSpec), ...common, ...positions];
  return `    ${names.join('|')}) _arguments ${specs.join(' ')} ;;\n`;
}

function flagSpec({ names, description, takesValue, completes }: FlagWords): string {
  const value = takesValue ? `:value:${action(completes)}` : '';
  const text = `[${description.replace(/[[\]:]/g, '\\$&')}]${value}`;
  if (names.length === 1) return quoted(`${names[0]}${takesValue ? '=' : ''}${text}`);
  const [short, long] = names;
  return `${quoted(`(${names.join(' ')})`)}{${short},${long}${takesValue ? '=' : ''}}${quoted(text)}`;
}

function action(completes: Argument['completes']): string {
  if (completes === undefined || completes.length === 0) return ' ';
  if (completes === 'files') return '_files';
  return completes === 'namespaces' ? '_namerctl_namespaces' : `(${(completes as readonly string[]).join(' ')})`;
}
