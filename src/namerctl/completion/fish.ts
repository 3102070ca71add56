/** Completion for fish: one line for each thing to offer. */
import type { Argument } from '../command-spec.ts';
import {
  type CommandWords,
  dtabSummary,
  dtabWord,
  type FlagWords,
  namespacesCommand,
  valueFlags,
  type Words,
} from './words.ts';

export function fishCompletion(words: Words): string {
  return `# fish completion for namerctl; made by: namerctl completion fish
# The words so far that are neither flags nor values of flags, without the word dtab in front.
function __namerctl_words
    set -l value
    set -l words
    for word in (commandline -opc)[2..]
        if test -n "$value"
            set value
        else if contains -- $word ${valueFlags(words).join(' ')}
            set value 1
        else if not string match -q -- '-*' $word
            set -a words $word
        end
    end
    if test "$words[1]" = ${dtabWord}
        set -e words[1]
    end
    printf '%s\\n' $words
end
# Whether the command is one of the words after the first, which is the number of words after it, or - for any.
function __namerctl_at
    set -l words (__namerctl_words)
    contains -- "$words[1]" $argv[2..]; and begin
        test "$argv[1]" = -; or test (math (count $words) - 1) = $argv[1]
    end
end
# Whether there is no command yet, nor the word dtab.
function __namerctl_at_start
    test -z "$(__namerctl_words)"; and not contains -- ${dtabWord} (commandline -opc)
end
complete -c namerctl -f
${[
  ...words.common.map(flag => flagLine(flag)),
  `complete -c namerctl -n __namerctl_at_start -a ${dtabWord} -d ${quoted(dtabSummary)}`,
  ...words.commands.flatMap(commandLines),
].join('\n')}
`;
}

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

function commandLines({ names, summary, args, flags, isOfDtab }: CommandWords): string[] {
  const at = (position: number | string) => `__namerctl_at ${position} ${names.join(' ')}`;
  const start = isOfDtab ? `'test -z "$(__namerctl_words)"'` : '__namerctl_at_start';
  return [
    ...names.map(name => `complete -c namerctl -n ${start} -a ${name} -d ${quoted(summary)}`),
    ...args.flatMap(({ name, completes }, i) => {
      const offered = offer(completes);
      return offered === '' ? [] : [`complete -c namerctl -n ${quoted(at(i))} ${offered} -d ${quoted(name)}`];
    }),
    ...flags.map(flag => flagLine(flag, at('-'))),
  ];
}

function flagLine({ names, description, takesValue, completes }: FlagWords, condition?: string): string {
  const parts = names.map(name => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  const value = takesValue ? ` -r ${offer(completes)}` : '';
  return `complete -c namerctl${condition === undefined ? '' : ` -n ${quoted(condition)}`} ${parts.join(' ')}${value.trimEnd()} -d ${quoted(description)}`;
}

function offer(completes: Argument['completes']): string {
  if (completes === undefined || completes.length === 0) return '';
  if (completes === 'files') return '-F';
  if (completes === 'namespaces') return `-a '(${namespacesCommand.replace(/^(\S+)/, 'env $1')})'`;
  return `-a ${quoted((completes as readonly string[]).join(' '))}`;
}
