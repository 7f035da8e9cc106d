"""The weights that trainings of a benchmark start from: `model.init`, pretrained elsewhere on other images."""

from pathlib import Path

from aru.core.config import Config
from aru.core.errors import InputError
from aru.core.files import file_md5
from aru.nets.configured import build_configured
from aru.nets.models import classifier, state_tensors
from aru.nets.weights_file import Tensors, fill, read_weights, without_prefixes


def read_init(config: Config, root: Path, outputs: int) -> Tensors | None:
    """The weights of `model.init` under the names of the benchmark's model; without those of a classifier of other classes.

    None where no file is named. Raises InputError, as `read_weights` does, where the file is missing, is not that of
    `model.init_md5`, or does not fit the network.
    """
    chosen = config.model
    if chosen.init is None:
        return None
    path = Path(root) / chosen.init
    tensors, _ = read_weights(path)
    if (found := file_md5(path)) != chosen.init_md5:
        raise InputError(
            f"{path} has the MD5 {found}, model.init_md5 is {chosen.init_md5}: if trainings are to start from this file, set "
            f"model.init_md5 to {found}"
        )
    model = build_configured(chosen, outputs, resolution=config.data.resolution)
    network = getattr(model, "network", model)
    own, head = state_tensors(network), classifier(network)
    tensors, _ = without_prefixes(tensors, own)
    drawn: set[str] = set()
    if f"{head}.weight" in tensors and tensors[f"{head}.weight"].shape != own[f"{head}.weight"].shape:
        drawn = {name for name in own if name.startswith(f"{head}.")}
    fill(network, {**tensors, **{name: own[name] for name in drawn}}, where=str(path))
    before = "" if network is model else "network."
    return {f"{before}{name}": tensor for name, tensor in state_tensors(network).items() if name not in drawn}
