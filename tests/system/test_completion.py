"""Real shells complete what is typed: commands, options, values and files, from what is installed where each looks."""

import os
import pty
import re
import shutil
import subprocess

import pytest

from harness import BUILD, TAILGATE, environment, wait_for

TAB = b"\t"
SHELLS = ("bash", "zsh", "fish")


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prefix")
    subprocess.run(["cmake", "--install", BUILD, "--prefix", folder], check=True, capture_output=True)
    return folder


def offered(*words):
    """What the program itself says that the last of WORDS may become."""
    done = subprocess.run([TAILGATE, "--complete", *words], env=environment(), capture_output=True, text=True)
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


class Shell:
    """An interactive shell at a terminal, as a person has it."""

    START = {
        "bash": (["bash", "--norc", "-i"],
                 "source /usr/share/bash-completion/bash_completion; PS1='ready> '\n"),
        "zsh": (["zsh", "-f", "-i"],
                "unsetopt zle_bracketed_paste; fpath=({prefix}/share/zsh/site-functions $fpath); autoload -Uz compinit;"
                " compinit -u -D; PROMPT='ready> '\n"),
    }

    def __init__(self, name, prefix, folder):
        words, start = self.START[name]
        self.text = b""
        main, end = pty.openpty()
        variables = dict(environment(), PATH=f"{prefix}/bin:{os.environ['PATH']}", TERM="dumb", HOME=str(folder),
                         XDG_DATA_DIRS=f"{prefix}/share", LC_ALL="C.UTF-8", INPUTRC="/dev/null")
        self.process = subprocess.Popen(words, stdin=end, stdout=end, stderr=end, cwd=folder, env=variables,
                                        start_new_session=True)
        os.close(end)
        self.main = main
        self.type(start.format(prefix=prefix).encode())
        self.sees(r"ready> ")

    def type(self, keys):
        os.write(self.main, keys)

    def sees(self, pattern):
        """Waits until PATTERN stands in what the terminal has shown."""
        os.set_blocking(self.main, False)

        def look():
            try:
                self.text += os.read(self.main, 65536)
            except BlockingIOError:
                pass
            return re.search(pattern.encode(), self.text)
        wait_for(look, f"{pattern} at the terminal")

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.main)


class Fish:
    """fish can be asked what it would offer."""

    def __init__(self, prefix, folder):
        self.folder = folder
        self.variables = dict(environment(), PATH=f"{prefix}/bin:{os.environ['PATH']}", HOME=str(folder),
                              XDG_DATA_DIRS=f"{prefix}/share:/usr/share", LC_ALL="C.UTF-8", TERM="dumb")

    def offers(self, line):
        done = subprocess.run(["fish", "-c", 'complete -C "$argv[1]"', line], env=self.variables, cwd=self.folder,
                              capture_output=True, text=True, check=True)
        return [entry.split("\t")[0] for entry in done.stdout.splitlines()]


CASES = [("tailgate ser", "tailgate serve "),
         ("tailgate doct", "tailgate doctor "),
         ("tailgate dead red", "tailgate dead redrive "),
         ("tailgate jetstream pub", "tailgate jetstream publish "),
         ("tailgate serve --no-w", "tailgate serve --no-wait "),
         ("tailgate work --per-q", "tailgate work --per-query "),
         ("tailgate relay --from-e", "tailgate relay --from-events "),
         ("tailgate dead list --older", "tailgate dead list --older-than "),
         ("tailgate serve --log-format hu", "tailgate serve --log-format human "),
         ("tailgate work --log-level de", "tailgate work --log-level debug "),
         ("tailgate serve --backlog sk", "tailgate serve --backlog skip "),
         ("tailgate serve --db ques", "tailgate serve --db questions.db "),
         ("tailgate serve --curve key", "tailgate serve --curve keys/"),
         ("tailgate init ques", "tailgate init questions.db ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    (folder / "questions.db").touch()
    (folder / "keys").mkdir()
    (folder / "keyfile").touch()
    return folder


@pytest.mark.parametrize("name", SHELLS)
def test_shells_are_there(name):
    assert shutil.which(name), f"{name} is not installed"


@pytest.mark.parametrize("name", ("bash", "zsh"))
def test_shell_completes_commands_options_values_and_files(name, prefix, folder):
    shell = Shell(name, prefix, folder)
    try:
        for typed, whole in CASES:
            shell.text = b""
            shell.type(typed.encode() + TAB)
            shell.sees(re.escape(whole))
            shell.type(b"\x15")  # take the line back
    finally:
        shell.close()


def test_bash_completes_what_stands_behind_an_equals_sign(prefix, folder):
    shell = Shell("bash", prefix, folder)
    try:
        for typed, whole in (("--log-format=hu", "--log-format=human "), ("--config=ques", "--config=questions.db ")):
            shell.text = b""
            shell.type(b"tailgate serve " + typed.encode() + TAB)
            shell.sees(re.escape(whole))
            shell.type(b"\x15")
    finally:
        shell.close()


def test_fish_completes_commands_options_values_and_files(prefix, folder):
    fish = Fish(prefix, folder)
    for typed, whole in CASES:
        expected = whole.rsplit(" ", 1)[1] or whole.split(" ")[-2]
        assert fish.offers(typed) == [expected], typed


def test_every_command_and_option_of_the_help_is_offered():
    page = subprocess.run([TAILGATE, "--help"], env=environment(), capture_output=True, text=True, check=True).stdout
    commands = re.findall(r"^  ([a-z]+) +\S", page.split("Commands:\n")[1].split("\n\n")[0], re.MULTILINE)
    assert offered("") == commands
    for command in commands:
        below = offered(command, "")
        for words in [[command, word] for word in below] if "list" in below or "setup" in below else [[command]]:
            shown = subprocess.run([TAILGATE, *words, "--help"], env=environment(), capture_output=True, text=True,
                                   check=True).stdout
            options = re.findall(r"^  (?:-\w, |    )(--[a-z-]+)", shown, re.MULTILINE)
            assert options and offered(*words, "--") == options, words


def test_names_of_values_are_not_taken_for_values():
    assert offered("serve", "--log-level", "") == ["error", "warn", "info", "debug"]
    assert offered("keygen", "--role", "") == ["worker", "client", "observer", "operator"]
    assert offered("watch", "--kind", "re") == offered("watch", "--kind", "") and "retry" in offered("watch", "--kind", "")
    assert offered("serve", "--http", "") == offered("serve", "--set", "") == offered("serve", "--gate", "") == []


@pytest.mark.parametrize("words", [["nothing", ""], ["dead", "nothing", ""], [], ["serve"], ["serve", "--nothing", "x"],
                                   ["serve", "--db=x", "y"], ["work", "--", "--", "z"], ["serve", "-"], ["", "", ""]])
def test_words_that_nobody_expects_do_no_harm(words, site):
    done = subprocess.run([TAILGATE, "--complete", *words], env=environment(), cwd=site.folder, capture_output=True,
                          text=True)
    assert done.returncode in (0, 2) and "Sanitizer" not in done.stderr
    assert not os.listdir(site.folder)


def test_nothing_is_run_and_no_file_is_touched_while_words_are_typed(site):
    for words in (["serve", "--db", "b.db", ""], ["init", "b.db", ""], ["work", "--db", "b.db", "--echo", ""],
                  ["keygen", "--gateway", "keys", ""], ["dead", "drop", "--db", "b.db", "--all", ""]):
        done = subprocess.run([TAILGATE, "--complete", *words], env=environment(), cwd=site.folder,
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    assert not os.listdir(site.folder)
