"""Puts the limits of the audit, which stand beside the packages for their owner to edit, into the wheel."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class WithLimits(build_py):
    """The build of the packages, with thresholds.yaml in aru/audit."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:  # a clone reads its own
            self.copy_file(str(Path(__file__).with_name("thresholds.yaml")), str(Path(self.build_lib, "aru", "audit")))


setup(cmdclass={"build_py": WithLimits})
