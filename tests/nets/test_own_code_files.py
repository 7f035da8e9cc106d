"""The files of a network of own code: with them alone its digest is the same."""

from pathlib import Path

import pytest

from aru.core.errors import InputError
from aru.nets.own_code import own_code_digest
from aru.nets.own_code_files import own_code_files

FILES = {
    "nets/__init__.py": "",
    "nets/make.py": "from . import parts\nimport helpers\nimport torch, aru.core.files\n",
    "nets/parts.py": "from .deep.more import x\n",
    "nets/deep/__init__.py": "",
    "nets/deep/more.py": "x = 1\n",
    "nets/unused.py": "",
    "helpers.py": "import nets.make  # in a circle\n",
    "elsewhere.py": "",
    "aru/core/files.py": "",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_they_are_the_module_and_all_that_it_imports_there(root: Path) -> None:
    files = own_code_files("nets.make:net", root)
    assert set(files) == set(FILES) - {"nets/unused.py", "elsewhere.py", "aru/core/files.py"}
    digest = own_code_digest("nets.make:net", root)
    for name in set(FILES) - set(files):
        (root / name).unlink()
    assert own_code_digest("nets.make:net", root) == digest
    (root / "nets/deep/more.py").unlink()
    assert own_code_digest("nets.make:net", root) != digest


def test_other_networks_have_none_and_a_name_that_is_none_is_refused(root: Path) -> None:
    assert own_code_files("resnet18", root) == ()
    with pytest.raises(InputError, match="no module:function"):
        own_code_files("nets make:net", root)
