#compdef tailgate
# zsh completion of tailgate; the words come from the program itself (tailgate --complete).
local line tab=$'\t'
local -a offered

for line in ${(f)"$(command ${words[1]} --complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)"}; do
    case $line in
    :files) _files && return ;;
    :folders) _files -/ && return ;;
    :program) _command_names -e && return ;;
    *) offered+=("${${line%%$tab*}//:/\\:}:${line#*$tab}") ;;
    esac
done
_describe tailgate offered
