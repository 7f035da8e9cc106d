"""The library: what `import aru` offers."""

from aru.library.audits import audit
from aru.library.evaluation import evaluate
from aru.library.method_table import methods
from aru.library.saved import load
from aru.library.unlearning import unlearn

__all__ = ["audit", "evaluate", "load", "methods", "unlearn"]
