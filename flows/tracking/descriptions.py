"""The texts of the MLflow pages, as Markdown: what one sees is, and how to get it again."""

from collections.abc import Mapping
from typing import Any

from aru.core.cost_record import StageSeconds
from aru.core.names import ARU
from aru.methods.chosen import title
from aru.reporting.run.results import markdown_table, results_table

_HOW_TO_READ = """\
**Forgetting score**: |accuracy of the membership attack - 0.5|; 0 is best, and the retrained model shows what is
reachable. **NoMUS**: (test accuracy + 1 - 2 x forgetting score) / 2; higher is better. **Seconds**: all stages of unlearning
for the unlearned model, whole training for the others, none for an imported original. `gap/...` is a model minus the
retrained one."""

_NOT_CLAIMED = """\
## What is not claimed

- No guarantee that nothing of the forgotten people is left: the figures are those of the attacks named here, run once.
- No differential privacy. A stronger attack may still find what these do not.
- The figures hold for this data, this network and this seed; the report has the intervals."""


def experiment_note(benchmark: str) -> str:
    """What the experiment holds and how to look at it."""
    return f"""\
# Unlearning on `{benchmark}`

One run a flow (`aru run`); below it a run for each **model** (`original`, `unlearned`, `retrained`) and each **stage**
(`stage: train`, ...). To compare the three models: open a run, tick its three models, *Compare*; all have the same
metric keys. Search for `tags.kind = 'flow'` to list flows only, for `tags.kind = 'model'` to list models only.

{_HOW_TO_READ}

| metrics | of |
|---|---|
| `test/ forget/ retain/ unseen/` | accuracy, balanced accuracy, top-2 accuracy, loss on that set |
| `mia/ mia_matched/` | the benchmark's membership attack; one that compares within a class |
| `gap/` | the difference to the retrained model |
| `audit/` | the criteria of the audit; limits and verdicts are in `audit/audit.html` |
| `train/` | training curves, a step an epoch |
| `cost/` | seconds, images per second, peak memory |

Images, noises, predictions and the original model's weights are personal data and are never logged here."""


def flow_note(
    metrics: Mapping[str, Any],
    costs: Mapping[str, StageSeconds],
    *,
    run_id: str,
    tags: Mapping[str, str],
    imported: Mapping[str, str] | None = None,
) -> str:
    """A flow's page: the results, where they come from, how to replay. `tags`: of the flow's run."""
    return f"""\
{_results(metrics, costs, tags["method"])}
Intervals, curves and figures: `report/report.html` under *Artifacts*. The metrics below are the unlearned model's.
{origin(metrics, imported)}
{_HOW_TO_READ}

## Replay

{replay_steps(metrics["benchmark"], run_id=run_id, git=tags)}"""


def library_note(metrics: Mapping[str, Any], costs: Mapping[str, StageSeconds], method: str) -> str:
    """The page of a run that `log_unlearned` wrote."""
    return f"""\
{_results(metrics, costs, method)}
Unlearned from Python (`aru.unlearn`), not by a flow: there are no stages, no digests of data and no replay here. Intervals are
in `metrics.json`, the verdict in `audit/audit.html` under *Artifacts*. The metrics below are the unlearned model's.
{origin(metrics, None)}
{_HOW_TO_READ}"""


def _results(metrics: Mapping[str, Any], costs: Mapping[str, StageSeconds], method: str) -> str:
    counts = ", ".join(f"{count:,} {name}" for name, count in metrics["counts"].items())
    return f"""\
{markdown_table(results_table(metrics, costs))}
`{metrics["benchmark"]}`, {metrics["protocol"]} protocol, task {metrics["task"]}, seed {metrics["seed"]}, method
{title(method)}; images: {counts}."""


def origin(metrics: Mapping[str, Any], imported: Mapping[str, str] | None) -> str:
    """Where an imported original came from, and what is missing without a retrained reference; empty for the usual run."""
    lines = [f"The original was imported: `{imported['file']}`, MD5 `{imported['md5']}`."] if imported else []
    if "retrained" not in metrics["models"]:
        lines.append("No retrained reference was trained (`evaluate.retrained`): there are no gaps to it.")
    return "".join(f"\n{line}\n" for line in lines)


def replay_steps(benchmark: str, *, run_id: str, git: Mapping[str, str]) -> str:
    """The commands that bring this run's files back, or make them again (docs/operation.md has the details)."""
    patch = "\ngit apply .dvc/tmp/replay/changes.patch   # what was not committed" if git["git_dirty"] == "true" else ""
    return f"""\
```
MLFLOW_TRACKING_URI=sqlite:///mlruns/mlflow.db \\
  mlflow artifacts download --run-id {run_id} --artifact-path replay --dst-path .dvc/tmp
git checkout {git["git_commit"]}{patch}
cp .dvc/tmp/replay/params.yaml .dvc/tmp/replay/dvc.lock .
python -m flows.project.pseudonyms params.yaml dvc.lock   # pseudonyms of people become names again
dvc checkout || dvc pull                  # the same bytes, where a cache has them; or compute them again:
aru run --benchmark {benchmark} --refresh
```

Then compare `dvc.lock` with `.dvc/tmp/replay/dvc.lock`: only costs, and the report that shows them, may differ."""


def model_run_note(model: str, spent: float | None, method: str, imported: Mapping[str, str] | None = None) -> str:
    """What a model's own run holds; `method` unlearned, `imported`: file and MD5 of an original not trained here."""
    if imported:
        return f"Imported, not trained here: `{imported['file']}`, MD5 `{imported['md5']}`."
    costs = "" if spent is None else f"It took {spent:,.1f} s."
    made = {
        "original": "Trained on forget and retain.",
        "unlearned": "The original after attack, mask, reset and a fine-tune on retain alone (ARU)."
        if method == ARU
        else f"Made of the original by the method `{method}` (docs/methods.md).",
        "retrained": "Trained on retain alone: it never saw the forget set. The reference for every gap.",
    }[model]
    return f"{made} {costs}".strip()


def stage_note(cached: bool, source: str) -> str:
    """How a stage's outputs came to be."""
    said = {
        "computed": "Computed in this flow.",
        "prefect": "Taken from an earlier flow: nothing it depends on changed.",
        "dvc.lock": "Already recorded in dvc.lock: nothing it depends on changed.",
        "restored": "Lost or damaged files were restored from DVC's cache.",
    }[source]
    return f"{said} {'Costs and curves are those of the run that computed it.' if cached else ''}".strip()


def model_note(benchmark: str, name: str, network: str | None = None) -> str:
    """The registered model's page; `network`: the class of a caller's own, whose weights go into one of its kind."""
    return f"""\
# {name}

A network for `{benchmark}` from which people were unlearned. Each version is the `unlearned` model of one run, made by the
method that its tag `method` names; its page has the figures and leads to the run, the git commit, the parameters and, of a
flow, the data digests. The alias `candidate` is the version that was let through last, by
its audit and the policy `audit.release`, `challenger` the one that was held back last; the tags `audit.verdict` and
`audit.level` say how a version fared.

## Use it

```python
import mlflow, numpy
mlflow.set_tracking_uri("sqlite:///mlruns/mlflow.db")      # in the project folder
model = mlflow.pyfunc.load_model("models:/{name}@candidate")
logits = model.predict(images)      # float32 (N, channels, height, width) in [0, 1], as the signature says
```

## Train or unlearn it further

The exported model cannot be trained; its weights lie beside it as safetensors.

```python
from flows.tracking.registry import load_registered
model = load_registered(".", "{name}", "candidate"{f", network=a_{network}" if network else ""})   # a torch module
```

{_NOT_CLAIMED}"""


def version_note(
    metrics: Mapping[str, Any],
    costs: Mapping[str, StageSeconds],
    *,
    method: str,
    parameters: str,
    run: str,
    run_id: str,
    further: str,
) -> str:
    """A version's page: the figures and the way back."""
    figures = {
        key: "not measured" if value is None else f"{value:.4f}" for key, value in metrics["models"]["unlearned"].items()
    }
    return f"""\
NoMUS {figures["nomus"]}, forgetting score {figures["mia/forgetting_score"]}, test accuracy
{figures["test/accuracy"]}: the `unlearned` model of flow run **{run}** (`{run_id}`),
{metrics["protocol"]} protocol, seed {metrics["seed"]}. Unlearned by **{title(method)}**: {parameters}.

{markdown_table(results_table(metrics, costs))}
The tags below hold the git commit and the digests of the weights, and of the data of a flow; the run's page has the way back.

To train it further: `flows.tracking.registry.{further}`.

{_NOT_CLAIMED}"""
