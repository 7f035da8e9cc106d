"""The files of the repository from which a new project is made: in a clone they lie at its top, a wheel has copies of them."""

from pathlib import Path
from typing import Any

from aru.core.errors import InputError
from aru.core.name_rules import TAKEN, check_name
from aru.core.names import SUPPRESSION_FILE
from aru.core.safe_yaml import parse_yaml
from aru.core.source_code import PACKAGE
from aru.stages.code_record import INSTALLED, code_source

COPIES = "shipped"
"""The folder of this package in a wheel that has the copies; setup.py fills it."""
_DEPENDENCY = "    deps:\n      - {}\n"


def shipped(name: str) -> Path:
    """A file of the repository by its path there, such as dvc.yaml. Raises InputError for an incomplete installation."""
    copy = Path(__file__).with_name(COPIES) / name
    own = Path(__file__).parents[2] / name
    found = next((path for path in (copy, own) if path.is_file()), None)
    if found is None:
        raise InputError(f"this installation of aru lacks {name}: install the wheel, or a clone, again")
    return found


def pipeline_text(root: Path) -> str:
    """The dvc.yaml of a project: the repository's own, whose stage `code` reads code.json where the project has no code."""
    text = shipped("dvc.yaml").read_text(encoding="utf-8")
    folder = _DEPENDENCY.format(PACKAGE)
    assert text.count(folder) == 1, "the stage `code` depends on the folder aru/, and no other stage does"
    return text.replace(folder, _DEPENDENCY.format(code_source(root)))


def shipped_section(benchmark: str) -> dict[str, Any] | None:
    """The parameters of one of the repository's benchmarks (faces, mufac, mucac); None for any other name."""
    return None if benchmark in TAKEN else parse_yaml(shipped("params.yaml").read_text(encoding="utf-8")).get(benchmark)


def project_files(root: Path, *, service: str | None = None) -> dict[str, str]:
    """{name: content} of the files of a new project that nobody has edited yet.

    service: with those that schedule the main flow of this benchmark as a service.
    """
    name = Path(root).resolve().name
    return _service_files(service) | {
        "dvc.yaml": pipeline_text(root),
        "params.yaml": _PARAMS,
        "requests.yaml": _REQUESTS,
        SUPPRESSION_FILE: _nobody(),
        "thresholds.yaml": _limits().read_text(encoding="utf-8"),
        "README.md": _README.format(name=name, installed=INSTALLED),
    }


def _nobody() -> str:
    from aru.data.suppression.suppression_list import SuppressionList, list_text

    return list_text(SuppressionList())


def _service_files(benchmark: str | None) -> dict[str, str]:
    from aru.audit.thresholds import EMBEDDED

    if benchmark is None:
        return {}
    texts = {name: shipped(name).read_text(encoding="utf-8") for name in ("prefect.yaml", "work-pool.json")}
    return texts | {"prefect.yaml": texts["prefect.yaml"].replace(EMBEDDED, check_name(benchmark, where="--service"))}


def _limits() -> Path:
    from aru.audit.thresholds import find_thresholds

    return find_thresholds(Path(__file__).parent)  # which has none of its own: those of the package


_REQUESTS = """\
# When deletion requests are carried out, and what follows a failed audit (docs/erasure.md, "Batches"). What is here are the
# defaults: take the # away from a section and its lines to change them.
# batching:
#   at_least: 1            # fewer requests wait for others, so that a batch hides who left
#   at_most: 50            # those due first go first
#   wait_days: 7           # a batch is made when the oldest approval is so old, or it is full,
#   before_due_days: 10    # or a time limit is so near: then of fewer than at_least, too
# suspicion:               # the predicted effect on those who stay, above which a person decides first; 1 switches it off
#   of_class: 0.5          # share of the training photos of any class that would go
#   of_training: 0.25      # share of all training photos
#   one_sided: 0.9         # share of the batch that is of one class, where it has at least
#   photos: 20             # so many photos
# escalation: []           # after an audit that did not pass, in order, as in [{set: {method: retrain}, audit: full}]
# budget:                  # what batches may cost in all before the next one trains again
#   accuracy_drop: 0.1     # accuracy lost since the model was last trained: on test, or on retain from the first unlearned one
#   batches: 20            # batches unlearned since then
# retries: 2               # how often a batch that stopped by a fault is begun again unasked
"""

_PARAMS = """\
# What differs from the defaults; `aru params` shows all parameters with values, units, limits and meaning.
# `aru run --set attack.steps=20` edits this file, so that DVC, Prefect and MLflow always agree on what was run.
# Active benchmarks, each with its archive; `aru data import` adds one with its section.
benchmarks: {}
# Which of them ARU unlearns, and which another method; `aru` writes these two lists by `method` in their sections.
methods:
  aru: {}
  peers: {}
"""
_README = """\
# {name}

A project of `aru`: a trained image model forgets people, and what it still knows is measured.

```
aru data import table PHOTOS.csv --name NAME    # photos with people and labels; `aru data import --help` has the other forms
aru run                                         # original, unlearned and retrained model, figures, audit, report
aru audit unlearned                             # exit code 0 pass, 3 inconclusive, 4 fail
aru ui                                          # the pages of MLflow and Prefect, on this machine
aru serve                                       # the same every night
aru doctor                                      # what is missing or out of date here, and what to do
```

| file | what it is |
|---|---|
| `params.yaml` | parameters that differ from the defaults; `aru params` shows all |
| `dvc.yaml`, `dvc.lock` | the stages, and what made the results that lie in `work/` |
| `thresholds.yaml` | the limits of the audit: yours to change |
| `suppression.jsonl` | keyed hashes of forgotten people and photos, which no import brings back; the key is in `.aru/` |
| `{installed}` | version and digest of the installed `aru`: a new version runs again what it changes |
| `data/` | archives of photos, followed by DVC, never by git |
| `work/`, `mlruns/`, `.aru/` | models, figures, secrets: made of personal data, in neither git nor any remote |

Nothing leaves this machine until the DVC remote `store` gets a place: `dvc remote add --local --force store PLACE`.
"""
