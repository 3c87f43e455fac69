/**
 * What makes a shell ask us. The scripts know nothing of the command line: they hand over the words up
 * to the cursor and take the words that may stand there, a line each, with what they are after a tab.
 * A line `:files` says that the shell's own completion of file names is wanted.
 *
 * @module
 */

/**
 * bash splits words at what COMP_WORDBREAKS holds: by default also at `:`, `=` and `@`, which targets
 * have. The words are put together again, and of an answer that part is left out which stands before
 * the word that readline completes: it begins after a `:` or `=`, but with an `@`.
 */
const BASH = `# bash completion for guestmem
_guestmem() {
  local line=\${COMP_LINE:0:COMP_POINT} word cur prefix="" breaks="" i
  local -a words=() found=()
  for ((i = 0; i <= COMP_CWORD; i++)); do
    if [[ $i == 0 || $line == [[:blank:]]* ]]; then words+=(""); fi
    line=\${line#"\${line%%[![:blank:]]*}"}
    word=\${COMP_WORDS[i]:0:\${#line}}
    words[-1]+=$word
    line=\${line#"$word"}
  done
  cur=\${words[-1]}
  COMPREPLY=()
  mapfile -t found < <(guestmem completion bash -- "\${words[@]:1}" 2>/dev/null)
  if [[ \${found[0]-} == :files ]]; then compopt -o default; return; fi
  for i in : =; do [[ $COMP_WORDBREAKS != *$i* ]] || breaks+=$i; done
  if [[ -n $breaks ]]; then prefix=\${cur%"\${cur##*[$breaks]}"}; fi
  if [[ $COMP_WORDBREAKS == *@* && \${cur#"$prefix"} == *@* ]]; then prefix=\${cur%@*}; fi
  for word in "\${found[@]}"; do
    word=\${word%%$'\\t'*}
    COMPREPLY+=("\${word#"$prefix"}")
  done
  if [[ \${#COMPREPLY[@]} == 1 && $word == *[:=@/] ]]; then compopt -o nospace; fi
}
complete -F _guestmem guestmem
`;

const ZSH = `#compdef guestmem
# zsh completion for guestmem: put it into a folder of $fpath as _guestmem, or source it
_guestmem() {
  local line word text
  local -a found ends open
  found=("\${(@f)$(guestmem completion zsh -- "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null)}")
  if [[ $found[1] == :files ]]; then
    compset -P '--*='
    _files
    return
  fi
  for line in $found; do
    word=\${line%%$'\\t'*}
    text=\${line#*$'\\t'}
    line=\${word//:/\\\\:}\${text:+:$text}
    if [[ $word == *[:=@/] ]]; then open+=("$line"); else ends+=("$line"); fi
  done
  _describe -V guestmem ends -- open -S ''
}
if [[ $funcstack[1] == _guestmem ]]; then _guestmem "$@"; else compdef _guestmem guestmem; fi
`;

const FISH = `# fish completion for guestmem: put it into ~/.config/fish/completions/guestmem.fish
function __guestmem
    set -l words (commandline -opc)
    set -l cur (commandline -ct)
    set -l found (guestmem completion fish -- $words[2..] "$cur" 2>/dev/null)
    if test "$found[1]" = ":files"
        set -l option (string match -r -- '^--[^=]*=' "$cur")
        for path in (__fish_complete_path (string replace -r -- '^--[^=]*=' '' "$cur"))
            echo "$option$path"
        end
    else
        string join \\n -- $found
    end
end
complete -c guestmem -f -a '(__guestmem)'
`;

/** Shells, and their scripts. */
export const SCRIPTS = { bash: BASH, zsh: ZSH, fish: FISH } as const;

/** Their names. */
export const SHELLS = Object.keys(SCRIPTS) as (keyof typeof SCRIPTS)[];
