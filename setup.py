"""Puts files that stand beside the packages, for their owner to edit, into the wheel: what a new project is made from."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

FILES = {
    "aru/audit": ("thresholds.yaml",),
    "flows/project/shipped": ("constraints.txt", "dvc.yaml", "params.yaml", "prefect.yaml", "work-pool.json"),
    "flows/project/shipped/docs": tuple(sorted(f"docs/{page.name}" for page in (Path(__file__).parent / "docs").glob("*.md"))),
}
"""{folder in the wheel: files of the repository}."""


class WithProjectFiles(build_py):
    """The build of the packages, with these files."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:  # a clone reads its own
            return
        for folder, names in FILES.items():
            target = Path(self.build_lib, folder)
            self.mkpath(str(target))
            for name in names:
                self.copy_file(str(Path(__file__).parent / name), str(target))


setup(cmdclass={"build_py": WithProjectFiles})
