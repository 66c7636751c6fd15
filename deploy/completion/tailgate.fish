# fish completion of tailgate; the words come from the program itself (tailgate --complete).
function __tailgate_offered
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in (command $words[1] --complete $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case :files :program
                __fish_complete_path "$current"
            case :folders
                __fish_complete_directories "$current"
            case '*'
                echo $line
        end
    end
end

complete -c tailgate -f -a '(__tailgate_offered)'
