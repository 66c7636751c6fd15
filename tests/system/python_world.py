"""The Python library under test: workers as processes (python_child.py), and a folder in which they note what they
begin and wait for what they may go on with."""

import json

from harness import HERE, PYTHON, Program, environment, wait_for

LIBRARY = HERE.parent.parent / "adapters" / "python"
EXAMPLES = LIBRARY / "examples"


def library_environment():
    return environment(PYTHONPATH=str(LIBRARY), PYTHONUNBUFFERED="1")


class PythonWorker(Program):
    """python_child.py at WHERE (a database or an endpoint), with the options of @worker; KIND is the function's."""

    def __init__(self, site, where, kind="plain", service="*", **options):
        self.folder = site.folder
        super().__init__([PYTHON, HERE / "python_child.py", where, kind, service,
                          json.dumps({"name": "child", "interval": 1, **options}), site.folder],
                         env=library_environment())
        site.processes.append(self.process)

    def begun(self):
        """The names of the questions that were begun, in order."""
        try:
            return (self.folder / "begun").read_text().split()
        except FileNotFoundError:
            return []

    def wait_begun(self, count):
        wait_for(lambda: len(self.begun()) >= count, f"{count} questions to be begun")

    def let(self, name):
        (self.folder / f"{name}.go").touch()

    def ready(self, since=0):
        self.wait_line("ready for", since=since)
        return self
