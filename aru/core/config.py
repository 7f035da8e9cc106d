"""Every parameter: typed, checked, with its unit; `params.yaml` <-> these types."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from aru.core.errors import InputError
from aru.core.label_columns import MULTILABEL, is_multilabel, label_columns
from aru.core.method_lists import check_lists
from aru.core.name_rules import TAKEN, check_name, check_path
from aru.core.names import ARU
from aru.core.safe_yaml import parse_yaml
from aru.core.suggestions import did_you_mean


class Section(BaseModel):
    """A group of parameters: frozen, and no name is taken that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


Schedule = Literal["constant", "step", "cosine", "epoch-cosine", "onecycle"]
"""Of a learning rate: cosine moves at every step, epoch-cosine along the same curve at the end of every epoch."""
FORGET_OPTIONS = ("rows", "subjects", "files", "draw")
"""The parameters of data.forget that say who or what is forgotten; one of them is given, or `subjects` and `files`."""


class ForgetConfig(Section):
    """Who is to be forgotten: the people and photos of a request, or one of the other two."""

    rows: int | None = Field(None, ge=1, description="the first rows of the training split (the official cut)")
    subjects: tuple[str, ...] | None = Field(None, description="subject ids or FAMILY/PERSON keys")
    files: tuple[str, ...] | None = Field(None, description="photos by their paths, each with all its copies")
    draw: int | None = Field(None, ge=1, description="this many people drawn at random from the training split")
    draw_seed: int = Field(0, ge=0, description="seed of that draw")

    @model_validator(mode="after")
    def _one_kind(self) -> "ForgetConfig":
        given = [name for name in FORGET_OPTIONS if getattr(self, name) is not None]
        if len(given) > 1 and given != ["subjects", "files"]:
            raise ValueError(f"{' and '.join(given)} are given: name exactly one of rows, draw, or subjects and files")
        return self


class MergeConfig(Section):
    """Which filed persons (FAMILY/PERSON) are one person; docs/protocol.md, "People", has the rules in words."""

    share: float = Field(
        0.5, ge=0, lt=1, description="two filings that share more than this part of the smaller one's photos are one person"
    )
    filings: int = Field(8, ge=2, description="a photo under more filings than this says nothing of who is who")
    suspects: Literal["one-side", "join", "ignore"] = Field(
        "one-side", description="of people who share fewer photos, or whose ids are nearly the same"
    )
    same: tuple[tuple[str, str], ...] = Field((), description="pairs of FAMILY/PERSON that are one person")
    different: tuple[tuple[str, str], ...] = Field((), description="pairs of FAMILY/PERSON that are two people")


_TASKS = {"mufac": ("age",), "mucac": ("male", "smiling", "young", MULTILABEL)}
"""The tasks of the layouts whose labels are fixed."""


class DataConfig(Section):
    """In which layout the archive is, at which size images are used, under which protocol."""

    layout: Literal["mufac", "mucac", "table"] = Field("mufac", description="of the archive")
    task: str = Field(
        "age", description="the label column that is learnt, or several binary ones joined by commas; mucac: multilabel, too"
    )
    # Below 24 px a ResNet strides over maps of one pixel, whose bfloat16 weight gradient oneDNN leaves undefined: the
    # bytes of two runs then differ.
    resolution: int = Field(128, ge=24, le=512, description="side of the square images, pixels")
    protocol: Literal["official", "clean"] = Field(
        "official", description="official: rows as published; clean: people as wholes"
    )
    forget: ForgetConfig = ForgetConfig()
    merge: MergeConfig = MergeConfig()
    suppression: Literal["drop", "refuse"] = Field(
        "drop", description="photos that suppression.jsonl keeps out: left out and counted, or an error"
    )
    seed: int = Field(0, ge=0, description="of the clean protocol's matching of unseen to forget")

    @field_validator("task", mode="before")
    @classmethod
    def _joined(cls, value: object) -> object:
        """A list of label columns is the same task as their names joined by commas."""
        return ",".join(map(str, value)) if isinstance(value, list | tuple) else value

    @model_validator(mode="after")
    def _task_of_layout(self) -> "DataConfig":
        known = _TASKS.get(self.layout)
        if known is not None and self.task not in known:
            raise ValueError(
                f"task {self.task!r} does not belong to layout {self.layout!r}: mufac has age; "
                "mucac has male, smiling, young, multilabel"
            )
        columns = label_columns(self.task)
        if known is None and (self.task == MULTILABEL or "" in columns or len(set(columns)) < len(columns)):
            raise ValueError(
                f"task {self.task!r} names no label columns: give one column of the table, or several binary ones "
                "joined by commas, each once"
            )
        return self

    @property
    def multilabel(self) -> bool:
        """Whether several binary labels are learnt at once."""
        return is_multilabel(self.task)


_MD5 = r"^[0-9a-f]{32}$"


class ModelConfig(Section):
    """A classifier of torchvision, of timm or of one's own code, and where its first weights come from."""

    name: str = Field(
        "resnet18", description="name in torchvision's registry of models, vit_tiny, timm/NAME, or module:function of own code"
    )
    code: str | None = Field(None, pattern=_MD5, description="digest of the own code that builds the network")
    mean: tuple[float, ...] | None = Field(
        None, description="subtracted from pixels in [0, 1], one number or one a channel, before the network sees them"
    )
    std: tuple[float, ...] | None = Field(None, description="what they are divided by then")
    original: str | None = Field(
        None,
        description="weights of an imported original (`aru model import`), which the stage train takes instead of training",
    )
    original_md5: str | None = Field(None, pattern=_MD5, description="MD5 of that file")
    init: str | None = Field(
        None,
        description="weights, pretrained on other images, from which the stages train and retrain and shadow models start",
    )
    init_md5: str | None = Field(None, pattern=_MD5, description="MD5 of that file")

    @field_validator("mean", "std", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        """One number is a list of one."""
        return [value] if isinstance(value, int | float) else value

    @model_validator(mode="after")
    def _files_with_digests(self) -> "ModelConfig":
        if (self.original is None) != (self.original_md5 is None):
            raise ValueError("original and original_md5 belong together: give both or neither")
        if (self.init is None) != (self.init_md5 is None):
            raise ValueError("init and init_md5 belong together: give both (`md5sum FILE` shows the second) or neither")
        if self.original is not None:
            check_path(self.original, where="model.original")
        if self.init is not None:
            check_path(self.init, where="model.init")
        for values in (self.mean, self.std):
            if values is not None and len(values) not in (1, 3):
                raise ValueError(f"mean and std have one number or three, one a channel of RGB; {len(values)} are given")
        if not all(0 <= value <= 1 for value in self.mean or ()):
            raise ValueError(f"mean is {list(self.mean or ())}: pixels are from 0 to 1 here, and so is each: divide by 255")
        if any(value <= 0 for value in self.std or ()):
            raise ValueError(f"std is {list(self.std or ())}: each must be greater than 0")
        return self


class TrainConfig(Section):
    """One run of the training loop; the defaults are MUFAC's recipe (docs/protocol.md, "Training")."""

    epochs: int = Field(30, ge=0, le=10_000, description="passes over the images")
    batch_size: int = Field(64, ge=2, le=8192, description="images a step")
    optimiser: Literal["sgd", "adamw"] = Field("sgd", description="stochastic gradient descent, or AdamW")
    lr: float = Field(0.01, gt=0, description="learning rate; the highest one of the schedule")
    momentum: float = Field(0.9, ge=0, lt=1, description="sgd only")
    weight_decay: float = Field(0.0, ge=0, description="of all weights, a step")
    schedule: Schedule = Field("step", description="of the learning rate")
    milestones: tuple[int, ...] = Field((10, 20), description="epochs after which step multiplies lr by gamma")
    gamma: float = Field(0.1, gt=0, le=1, description="what step multiplies lr by")
    augment: bool = Field(True, description="MUFAC's flips, affine maps and colour jitter")


class FinetuneConfig(TrainConfig):
    """Stage 3, on the retain set alone."""

    epochs: int = Field(5, ge=0, le=10_000, description="passes over the retain images")
    schedule: Schedule = Field("cosine", description="of the learning rate")
    distillation: float = Field(0.0, ge=0, le=1, description="weight of the KL divergence to the original model")
    temperature: float = Field(4.0, gt=0, description="of the distillation")


class AttackConfig(Section):
    """Stage 1, projected gradient descent in L-infinity; pixel values are in [0, 1]."""

    noise: Literal["adversarial", "random", "none"] = Field("adversarial", description="random and none are controls")
    direction: Literal["max", "min"] = Field("max", description="max raises the loss of the true label, min lowers it")
    eps: float = Field(8 / 255, ge=0, le=1, description="largest change of a pixel value")
    alpha: float = Field(2 / 255, ge=0, le=1, description="step size, in pixel values")
    steps: int = Field(10, ge=0, le=10_000, description="of gradient ascent or descent")
    start: Literal["uniform", "zero"] = Field("zero", description="noise before the first step; uniform: drawn within eps")
    batch_size: int = Field(128, ge=1, le=8192, description="images attacked at once")


class MaskConfig(Section):
    """Stage 2a, which units the forget set influenced."""

    unit: Literal["filter", "kernel", "weight"] = Field("filter", description="what is reset as one")
    select: Literal["largest", "smallest", "random"] = Field("largest", description="random is a control")
    ratio: float = Field(0.5, ge=0, le=1, description="share of the units that are reset")
    scope: Literal["layer", "global"] = Field("layer", description="the share is taken per layer, or over all")
    batchnorm: Literal["train", "eval"] = Field("eval", description="BatchNorm's mode while gradients are measured")
    contrast: Literal["noise", "perturbed"] = Field("noise", description="the noise alone, or image + noise")
    normalise: Literal["none", "retain"] = Field(
        "none", description="retain: a score counts in units of the retain images' own gradient there"
    )
    schedule: Literal["flat", "rising", "falling"] = Field("flat", description="of the ratio over the layers, by depth")
    batch_size: int = Field(64, ge=2, le=8192, description="images whose gradients are summed at once")

    @model_validator(mode="after")
    def _schedule_of_layers(self) -> "MaskConfig":
        if self.schedule != "flat" and self.scope != "layer":
            raise ValueError(
                f"schedule {self.schedule!r} gives each layer a ratio of its own, scope is {self.scope!r}: set scope to layer"
            )
        return self


class ResetConfig(Section):
    """Stage 2b, what becomes of the masked units."""

    value: Literal["reinitialise", "zero"] = Field("reinitialise", description="fresh random weights, or 0")
    strength: float = Field(1.0, ge=0, le=1, description="of the way to the new value; below 1, shrink and perturb")
    batchnorm: bool = Field(True, description="affine parameters and statistics of reset filters go too")
    classifier: bool = Field(False, description="the last Linear layer is reset whole")


class EvaluateConfig(Section):
    """How the figures are made."""

    resamples: int = Field(1000, ge=100, le=100_000, description="of the bootstrap")
    retrained: bool = Field(True, description="train a retrained reference and compare with it")


Release = Literal["pass", "not-failed"]


class AuditConfig(Section):
    """What becomes of an audited model."""

    release: Release = Field("pass", description="verdicts that make a version the candidate: pass alone, or all but fail")


class RuntimeConfig(Section):
    """Where and how the arithmetic runs; the seed of everything that is drawn."""

    seed: int = Field(0, ge=0, le=2**31 - 1, description="of all that is drawn: weights, batches, augmentation")
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto takes CUDA where it is present")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 where the device has it")
    threads: int = Field(1, ge=1, le=256, description="PyTorch threads of one stage; part of what makes bytes equal")
    kernels: Literal["fast", "torch"] = Field(
        "fast",
        description="of convolutions on a CPU: this project's own for "
        "small maps, or PyTorch's; part of what makes bytes equal",
    )
    compile: bool = Field(False, description="training and attack through torch.compile, where it is there; it takes a minute")
    processes: int = Field(
        1, ge=1, le=1024, description="that share each training of the stages train, retrain and finetune; one a GPU"
    )

    @model_validator(mode="after")
    def _one_device_a_process(self) -> "RuntimeConfig":
        if self.processes > 1 and ":" in self.device:
            raise ValueError(
                f"runtime.device = {self.device!r} is one GPU, and each of runtime.processes = {self.processes} takes one of "
                "its own: set runtime.device to 'auto' or 'cuda', or runtime.processes to 1"
            )
        if self.processes > 1 and self.compile:
            raise ValueError(
                f"runtime.compile is true with runtime.processes = {self.processes}, which was never tried: set compile "
                "to false or processes to 1"
            )
        return self


class Config(Section):
    """All parameters of one benchmark."""

    data: DataConfig
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    method: str = Field(ARU, description="what unlearns: aru, or a peer method (docs/methods.md)")
    unlearn: dict[str, dict[str, Any]] = Field(
        {}, description="settings of peer methods by the method's name: a preset, and what differs from it"
    )
    attack: AttackConfig = AttackConfig()
    mask: MaskConfig = MaskConfig()
    reset: ResetConfig = ResetConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    audit: AuditConfig = AuditConfig()
    runtime: RuntimeConfig = RuntimeConfig()

    def __hash__(self) -> int:
        return hash(self.model_dump_json())  # the settings of peer methods are a dictionary

    @model_validator(mode="after")
    def _distillation_of_task(self) -> "Config":
        if self.data.multilabel and self.finetune.distillation > 0:
            raise ValueError(
                f"finetune.distillation = {self.finetune.distillation} is not defined for the multi-label task: "
                "set it to 0, or data.task to one of its labels"
            )
        return self


def parse_config(values: dict[str, Any], *, where: str) -> Config:
    """Check one benchmark's section; `where` names it in the error."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise InputError("\n".join(_explain(item, where) for item in error.errors())) from None


def load_params(path: Path) -> dict[str, Config]:
    """Read `params.yaml`: the checked configuration of every active benchmark, in the file's order."""
    return _configs(read_parameters(path), path)


def load_archives(path: Path) -> dict[str, str]:
    """The archives of the active benchmarks, relative to the project folder."""
    return _archives(read_parameters(path), path)


def load_archive(path: Path, benchmark: str) -> Path:
    """The archive of one active benchmark."""
    content = read_parameters(path)
    archives = _archives(content, path)
    _check_active(content, benchmark, list(archives), path)
    return Path(archives[benchmark])


def load_config(path: Path, benchmark: str) -> Config:
    """Read one active benchmark's configuration; an unknown name is answered with the nearest known one."""
    content = read_parameters(path)
    configs = _configs(content, path)
    _check_active(content, benchmark, list(configs), path)
    return configs[benchmark]


def _configs(content: Any, path: Path) -> dict[str, Config]:
    archives = _archives(content, path)
    missing = [name for name in archives if not isinstance(content.get(name), dict)]
    if missing:
        raise InputError(f"{path} lists the benchmark {missing[0]!r} but has no section of that name")
    configs = {name: parse_config(content[name], where=f"{path}: {name}") for name in archives}
    check_lists(content, {name: config.method for name, config in configs.items()}, path)
    return configs


def _check_active(content: Any, benchmark: str, active: list[str], path: Path) -> None:
    if benchmark in active:
        return
    remedy = (
        "; `aru data import` brings its data in and makes it active, --set there sets its parameters"
        if benchmark in content and benchmark not in TAKEN
        else did_you_mean(benchmark, active)
    )
    raise InputError(f"benchmark {benchmark!r} is not active in {path}; active: {', '.join(active)}{remedy}")


SETTINGS = "unlearn."
"""How the dotted names of peer methods' settings begin, as in unlearn.scrub.epochs."""


def parameter_names(section: type[BaseModel] = Config, prefix: str = "") -> Iterator[str]:
    """All parameters by their dotted names, as `--set` takes them."""
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from parameter_names(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def check_parameter(name: str) -> str:
    """Return `name` where it is a parameter's dotted name; otherwise say which is nearest.

    The names of peer methods' settings are checked where the methods are known.
    """
    known = list(parameter_names())
    if name not in known and not name.startswith(SETTINGS):
        raise InputError(f"unknown parameter {name!r}{did_you_mean(name, known)}")
    return name


def read_parameters(path: Path) -> Any:
    """The content of params.yaml as plain values; raises InputError where the file is missing or is no YAML."""
    try:
        return parse_yaml(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: run inside the project folder") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid YAML: {error}") from None


def _archives(content: Any, path: Path) -> dict[str, str]:
    """The section `benchmarks`: the active ones, each with its archive."""
    archives = content.get("benchmarks") if isinstance(content, dict) else None
    if not isinstance(archives, dict):
        raise InputError(
            f"{path} must name the active benchmarks with their archives, as in 'benchmarks: {{faces: data/faces.zip}}'"
        )
    return {
        check_name(name, where=f"{path}, benchmarks"): check_path(archive, where=f"{path}, benchmarks, {name}")
        for name, archive in archives.items()
    }


_PLAIN_WORDS = {
    "tuple_type": "Input should be a list, as in [A, B]",
    "string_type": 'Input should be text: a number stands in quotes, as in "38"',
}


def _explain(item: Mapping[str, Any], where: str) -> str:
    name = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"{where}: unknown parameter {name!r}{did_you_mean(name, list(parameter_names()))}"
    if item["type"] == "value_error":  # a rule of this module's own on a whole section: its sentence names the values
        return f"{where}: {name + ': ' if name else ''}{item['ctx']['error']}"
    said = _PLAIN_WORDS.get(item["type"], item["msg"])
    return f"{where}: {name} = {item['input']!r}: {said}" if name else f"{where}: {said}"
