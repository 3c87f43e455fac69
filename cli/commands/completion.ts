/**
 * `guestmem completion`
 *
 * @module
 */
import { Argument, Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { complete } from "../complete/candidates.ts";
import { SCRIPTS, SHELLS } from "../complete/scripts.ts";
import type { Context } from "../context.ts";
import { escape } from "../render/escape.ts";

const MANUAL = `
Prints the script that makes a shell complete commands, options, their values, and the targets that
there are at that moment: guests, devices, queues and what sessions hold. Where several guests begin
alike their names are completed; where one is left its devices, then its queues. What does not answer
within 0.8 s is left out. Nothing is attached for it.

bash, for this shell, and for every one from the next login on:

  $ source <(guestmem completion bash)
  $ mkdir -p ~/.local/share/bash-completion/completions
  $ guestmem completion bash \\
      > ~/.local/share/bash-completion/completions/guestmem

zsh (~/.zfunc stands for any folder of $fpath):

  $ guestmem completion zsh > ~/.zfunc/_guestmem

fish:

  $ guestmem completion fish > ~/.config/fish/completions/guestmem.fish

The script asks by \`guestmem completion SHELL -- WORDS…\` for what may stand in the place of the last
word. \`guestmem\` must be on the PATH: see \`deno task install\`.

  $ guestmem completion bash -- dump r
  ring	rings: indices, flags, suppression, chains, decoded requests`;

/** `completion` */
export function completionCommand(context: Context): CommandUnknownOpts {
  return new Command("completion")
    .summary("complete commands and live targets in bash, zsh and fish")
    .description("Print the completion script of a shell.")
    .addArgument(new Argument("<shell>", "the shell").choices(SHELLS))
    .argument("[words...]", "after --: words to complete, the last of them maybe empty")
    .addHelpText("after", MANUAL)
    .action(async (shell, words) => {
      if (words.length === 0) return await context.print(SCRIPTS[shell].trimEnd());
      const found = await complete(context, words.slice(0, -1), words.at(-1) ?? "");
      if (found.files) return await context.print(":files");
      const lines = found.words.map(({ word, text }) => `${word}\t${escape(text)}`);
      if (lines.length > 0) await context.print(lines.join("\n"));
    });
}
