/** `completion`: a script that teaches a shell the commands, made from their table. */
import { LinkerdTcpError } from '../../errors.ts';
import type { CommandSpec } from '../command-spec.ts';
import { commonFlags } from '../common-flags.ts';
import { bashCompletion } from '../completion/bash.ts';
import { fishCompletion } from '../completion/fish.ts';
import { wordsOf } from '../completion/words.ts';
import { zshCompletion } from '../completion/zsh.ts';

const shells = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

/** @param known the other commands */
export function completion(known: readonly CommandSpec[]): CommandSpec {
  const spec: CommandSpec = {
    name: 'completion',
    summary: 'print a completion script for a shell',
    args: [{ name: 'shell', description: Object.keys(shells).join(', '), completes: Object.keys(shells) }],
    examples: [
      ['completion bash > /etc/bash_completion.d/namerctl', 'for all users'],
      ['completion zsh > ~/.zfunc/_namerctl', 'with fpath+=~/.zfunc before compinit'],
      ['completion fish > ~/.config/fish/completions/namerctl.fish', 'for the current user'],
    ],
    isOfDtab: false,
    isOffline: true,
    async run(session, [shell]) {
      if (!Object.hasOwn(shells, shell))
        throw new LinkerdTcpError('USAGE_INVALID', { reason: `no completion for ${shell}; there is bash, zsh, fish` });
      session.print(shells[shell as keyof typeof shells](wordsOf([...known, spec], commonFlags)));
      return undefined;
    },
  };
  return spec;
}
