# bash completion of tailgate; the words come from the program itself (tailgate --complete).
_tailgate()
{
    local cur=${COMP_WORDS[COMP_CWORD]} word about
    local -a words=()

    # bash takes --name=value for three words
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        [[ $word == = ]] || words+=("$word")
    done
    [[ $cur == = ]] && cur=
    COMPREPLY=()
    while IFS=$'\t' read -r word about; do
        case $word in
        :files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        :folders) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
        :program) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -c -- "$cur") ;;
        "$cur"*) COMPREPLY+=("$word") ;;
        esac
    done < <(command "$1" --complete "${words[@]}" "$cur" 2>/dev/null)
} && complete -F _tailgate tailgate
