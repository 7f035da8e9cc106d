"""Small projects in temporary folders: a git and DVC repository with the real dvc.yaml, and stages that take no time.

The stand-in for the stages is a package `aru` in the project's folder (`python -m aru` finds it there, so `dvc repro`
uses it, too); the flow is given the same function in place of its workers. Each output is a digest of the stage's
declared inputs and parameters, apart from cost.json, which differs between runs as the real one does.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
SILENT: Callable[[int, int, str], None] = lambda done, total, text: None  # noqa: E731


def make_project(root: Path) -> Path:
    """A project with the real stages and remotes, and two archives that only the stand-in can read; faces' is tracked."""
    root.mkdir(parents=True, exist_ok=True)
    for file in ("dvc.yaml", "params.yaml", "thresholds.yaml", "suppression.jsonl", "data.dvc"):
        shutil.copy(CHECKOUT / file, root)
    shutil.copytree(CHECKOUT / "aru", root / "aru", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(__file__, root / "aru" / "__main__.py")
    (root / ".gitignore").write_text("/work/\n/.prefect/\n/mlruns/\n__pycache__/\n")
    (root / "data").mkdir()
    shutil.copy(CHECKOUT / "data" / ".gitignore", root / "data")
    for benchmark in ("faces", "mufac"):
        (root / "data" / f"{benchmark}.zip").write_text(f"the archive of {benchmark}")
    shell(root, "git", "init", "-q")
    shell(root, "git", "config", "user.email", "tests@example.org")
    shell(root, "git", "config", "user.name", "tests")
    shell(root, "dvc", "init", "-q")
    shutil.copy(CHECKOUT / ".dvc" / "config", root / ".dvc")
    shutil.copy(CHECKOUT / ".dvcignore", root)
    shell(root, "dvc", "commit", "-q", "-f", "data.dvc")
    shell(root, "dvc", "push", "-q", "data.dvc")
    commit_all(root)
    return root


def commit_all(root: Path) -> None:
    """Commit whatever there is to git."""
    shell(root, "git", "add", "-A")
    shell(root, "git", "commit", "-q", "-m", "state", "--allow-empty")


def shell(root: Path, *command: str) -> str:
    """Run a command in the project, with this environment's programs first; returns its output."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": ""}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def change_param(root: Path, before: str, after: str) -> None:
    """Replace a text that occurs in params.yaml, at its first place."""
    path = root / "params.yaml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def outputs(root: Path, benchmark: str = "faces") -> dict[str, str]:
    """{path: content digest} of all that the stages wrote, apart from the costs."""
    files = [
        path
        for path in sorted((root / "work" / benchmark).rglob("*"))
        if path.is_file() and path.name not in ("cost.json", ".gitignore")
    ]
    return {str(path.relative_to(root)): hashlib.md5(path.read_bytes()).hexdigest() for path in files}


def run_stage(stage: str, benchmark: str, root: Path, progress: Callable[[int, int, str], None] = SILENT) -> None:
    """The stand-in for a stage: reads what dvc.yaml declares as inputs, writes what it declares as outputs."""
    params = yaml.safe_load((root / "params.yaml").read_text())
    definition = yaml.safe_load((root / "dvc.yaml").read_text())["stages"][stage]
    items = _param(params, definition["foreach"].removeprefix("${").removesuffix("}"))
    assert isinstance(items, dict)
    names = {"${key}": benchmark, "${item}": items[benchmark]}
    declared = json.dumps(definition["do"])
    for name, value in names.items():
        declared = declared.replace(name, value)
    declaration = json.loads(declared)
    digest = hashlib.md5(stage.encode())
    for dep in declaration["deps"]:
        digest.update((root / dep).read_bytes())
    for name in declaration.get("params", []):
        digest.update(json.dumps(_param(params, name), sort_keys=True).encode())
    progress(1, 2, stage)
    _linger(stage, progress)
    progress(2, 2, stage)
    for out in declared_outs(declaration):
        _write(root / out, f"{out} {digest.hexdigest()}")


def declared_outs(declaration: dict) -> list[str]:
    """The paths of a stage's outputs in dvc.yaml, where some have options."""
    return [out if isinstance(out, str) else next(iter(out)) for out in declaration["outs"]]


def _linger(stage: str, progress: Callable[[int, int, str], None]) -> None:
    """Take as long as the environment says, as in STAND_IN_SECONDS="mask=60"."""
    slow, _, seconds = os.environ.get("STAND_IN_SECONDS", "").partition("=")
    if stage == slow:
        end = time.monotonic() + float(seconds)
        while time.monotonic() < end:
            progress(1, 2, stage)
            time.sleep(0.05)


def _param(params: dict, name: str) -> object:
    value: object = params
    for part in name.split("."):
        assert isinstance(value, dict)
        value = value[part]
    return value


def _write(out: Path, text: str) -> None:
    if not out.suffix:
        out.mkdir(parents=True, exist_ok=True)
        out = out / "figure.png"
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.tmp")
    temporary.write_text(str(time.time_ns()) if out.name == "cost.json" else text)
    os.replace(temporary, out)


if __name__ == "__main__":
    if sys.argv[1] == "code":  # no stand-in: on it depends which stages run
        from aru.stages.code_record import write_code_records

        write_code_records(Path("."))
        sys.exit()
    run_stage(sys.argv[1], os.environ["DVC_STAGE"].partition("@")[2], Path("."))
