"""The demonstration step by step: each is a command of `aru` that runs in the copy, as its user would type it."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aru.core.errors import InputError
from aru.core.files import read_json
from flows.requests.certificates.issuing import CERTIFICATES, certificates_of
from flows.requests.demo.project_copy import SETTINGS, check_finished, copy_project, free_folder, own_environment
from flows.requests.demo.traces import Marks, marks_of, search
from flows.requests.demo.volunteers import Volunteer, choose_volunteers

Say = Callable[[str], None]
Command = Callable[[Path, Sequence[str], Say], int]
_CHECKED_BY = "demonstration"
_SHOWN = 12
_START = ("-P", "-c", "from flows.cli.program import main; main()")
"""How Python starts `aru`; -P: the installed one, not what lies in the working directory."""


class StepFailed(InputError):
    """A step of the demonstration did not end as it has to."""


@dataclass(frozen=True)
class Figures:
    """Accuracy on a set, before and after."""

    name: str
    before: float
    after: float


def demonstrate(root: Path, benchmark: str, folder: Path | None, *, say: Say, command: Command | None = None) -> Path:
    """Tell the story of two requests in a copy of the finished project `root`; returns the copy's folder.

    folder: a new or empty one; None for a new temporary one. say: is given line after line. command: runs `aru` with
    arguments in a folder, gives what it prints to a function line by line and returns its exit code. Raises InputError
    before anything is made where the project or the folder does not do, and StepFailed where a step does not hold.
    """
    with own_environment():
        check_finished(root, benchmark)
        target = free_folder(root, folder)
        say(f"a copy of the project, with keys, DVC cache and git history of its own and no remote: {target}")
        copy_project(root, benchmark, target)
        changed = ", ".join(f"{name} is {str(value).lower()}" for name, value in SETTINGS)
        say(f"in it {changed}, and by requests.yaml two requests make a batch, which after a failed audit is trained again")
        people = choose_volunteers(target, benchmark)
        tell(target, benchmark, people, marks_of(target, benchmark, people), say=say, command=command)
    return target


def tell(
    root: Path, benchmark: str, people: Sequence[Volunteer], marks: Marks, *, say: Say, command: Command | None = None
) -> None:
    """The steps for these people in the copy `root`; raises StepFailed at the first that does not hold."""
    _Story(root, benchmark, say, command or run_aru).tell(people, marks)


def run_aru(root: Path, arguments: Sequence[str], say: Say) -> int:
    """Run `aru` in a process of its own with `root` as its working directory, as a shell would."""
    environment = os.environ | {"COLUMNS": "120"}
    with subprocess.Popen(
        [sys.executable, *_START, *arguments],
        cwd=root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            say(line.rstrip("\n"))
    return process.returncode


@dataclass(frozen=True)
class _Story:
    """The steps in one copy of a project."""

    root: Path
    benchmark: str
    say: Say
    command: Command

    def tell(self, people: Sequence[Volunteer], marks: Marks) -> None:
        requests = [self._ask(one) for one in people]
        self._chapter("one batch: unlearned from the model in production, audited and released (a minute or two)")
        done = self._aru("batch", "run", "--benchmark", self.benchmark, "--quiet")
        self._hold("fulfilled" in done and "in production: version" in done, "the batch was not released")
        self._aru("batch", "list")
        for one in figures(self.root, self.benchmark):
            self.say(f"  accuracy on {one.name}: {one.before:.3f} before, {one.after:.3f} after")
        self._chapter("the ledger and the certificates")
        self._aru("request", "verify")
        self._verify(requests)
        self._chapter("what holds the two people's photos and names, before and after the erasure")
        before = self._search(marks)
        self._hold(bool(before), "the search finds nothing of people who are still there")
        for request in requests:
            self._aru("erase", request, "--yes")
        after = self._search(marks)
        self._hold(not after, f"something of the two people is left in {', '.join(after[:_SHOWN])}")
        pages = self._verify(requests)
        self._end(requests, pages)

    def _ask(self, one: Volunteer) -> str:
        """Enter a request for somebody, check who asks, decide; returns its id."""
        self._chapter(f"a request for {one.name}, of whom the archive has {len(one.paths)} files")
        entered = re.search(r"\bR-\d{6,}\b", self._aru("request", "submit", one.name, "--benchmark", self.benchmark))
        if entered is None:
            raise StepFailed(f"`aru request submit` named no request; what was made so far is in {self.root}")
        self._aru("request", "identify", entered[0], "--by", _CHECKED_BY)
        approved = self._aru("request", "approve", entered[0])
        self._hold("approved" in approved, f"{entered[0]} was not approved")
        return entered[0]

    def _verify(self, requests: Sequence[str]) -> list[str]:
        """Verify all certificates, and of the newest the files that are there, too; write that of each request as a page."""
        done = self._aru("request", "verify", CERTIFICATES)
        pages, newest = [], ""
        for request in requests:
            own = [f"{CERTIFICATES}/{path.name}" for path in certificates_of(self.root / CERTIFICATES, request)]
            self._hold(bool(own) and f"{own[-1]}: verified" in done, f"{request} has no verified certificate")
            page = f"certificate-{request}.html"
            self._aru("certificate", "show", own[-1], "--to", page)
            pages.append(page)
            newest = max(newest, own[-1])
        self._aru("certificate", "verify", newest, "--files", ".")
        return pages

    def _search(self, marks: Marks) -> list[str]:
        found = search(self.root, marks)
        self.say(
            f"  searched for {len(marks.texts)} names of people and files, and bytes of {len(marks.files)} photos and "
            f"{len(marks.pixels)} prepared ones, in all files, zip and gzip members and git objects: in {len(found)} places"
        )
        for place in found[:_SHOWN]:
            self.say(f"    {place}")
        if len(found) > _SHOWN:
            self.say(f"    and {len(found) - _SHOWN} more")
        return found

    def _end(self, requests: Sequence[str], pages: Sequence[str]) -> None:
        self._chapter("all steps held; to look at")
        self.say(f"  cd {shlex.quote(str(self.root))}")
        self.say(
            "  aru request serve              # queue, batch and timelines in a browser; `aru request token NAME` lets you in"
        )
        self.say(f"  aru request show {requests[0]}      # what was done, without names")
        self.say(f"  {', '.join(pages)}: the certificates, to read and print")
        self.say(f"  aru serve-model --benchmark {self.benchmark}    # the released model answers")
        self.say("the copy has photos of others: remove the folder when you have seen it")

    def _aru(self, *arguments: str) -> str:
        """Run a command, shown with what it prints; StepFailed unless it ends with exit code 0."""
        self.say(f"$ aru {shlex.join(arguments)}")
        lines = list[str]()

        def show(line: str) -> None:
            lines.append(line)
            self.say(f"  {line}")

        code = self.command(self.root, arguments, show)
        self._hold(code == 0, f"`aru {shlex.join(arguments)}` ended with exit code {code}")
        return "\n".join(lines)

    def _chapter(self, text: str) -> None:
        self.say(f"\n# {text}")

    def _hold(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise StepFailed(f"{otherwise}; the copy as it is then: {self.root}")


def figures(root: Path, benchmark: str) -> list[Figures]:
    """Accuracy of the model before the batch and after it, by the newest evaluation; sets without a figure are left out."""
    models = read_json(root / "work" / benchmark / "evaluation" / "metrics.json")["models"]
    found = []
    for name in ("retain", "test", "unseen", "forget"):
        before, after = (models[model].get(f"{name}/accuracy") for model in ("original", "unlearned"))
        if before is not None and after is not None:
            found.append(Figures(name, before, after))
    return found
