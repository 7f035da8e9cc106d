"""The fixed sentences that the results page and the Markdown file share: how figures are read. No verdict is among them."""

from collections.abc import Mapping
from typing import Any

from aru.comparison.parameter_sets import DEFAULT, OTHER, TUNED
from aru.comparison.records import OURS, REFERENCE
from aru.reporting.comparison.cells import setting_text
from aru.stats.bootstrap import RESAMPLES
from aru.stats.paired_tests import MARGIN, MIN_UNITS

READING = (
    "Unlearning aims at the retrained model, which never saw the forget images; the original saw them all. Every method of a "
    "training seed starts from the same original. Test accuracy is utility; the forgetting score F is the distance of the "
    "benchmark's attack from the 0.5 of a guess (cut both: of more than 1 % more unseen than forget images the excess is left "
    "out); NoMUS = (accuracy + 1 - 2 F) / 2. The class-matched AUC compares forget with unseen images of the same class "
    "only, so that labels do not give the answer; what counts is its gap to the retrained model, not its distance from 0.5. "
    "NoMUS is shown because published tables rank by it; it rewards accuracy above the retrained model's."
)
FIGURES_TEXT = (
    "Each figure is the mean over unlearning seeds, then forget draws, then training seeds; in brackets its 95 % interval by "
    f"hierarchical bootstrap over all three ({RESAMPLES:,} resamples, percentiles). Runs: training seeds × forget draws × "
    "unlearning seeds. The last line holds the standard deviation between retrained models of different training seeds (for a "
    "gap, that of one model's figure), and the forgetting score that chance alone reaches in 95 of 100 cases."
)
DIFFERENCES = (
    "The method's figure minus the other's, paired by training seed and forget draw, with its bootstrap interval; below, the "
    "p-value of a paired t-test over n independent units (training seeds; draws where there is one seed), by Holm's "
    f"correction for all methods of this column; no p with fewer than {MIN_UNITS} units or where runs do not differ. "
    f"Equivalent accuracy: two one-sided t-tests exclude a difference of {MARGIN:g} or more in either direction; 'not shown' "
    "is no sign of a difference. Its p-value is not corrected."
)
PUBLISHED = (
    "As printed, from other recipes than ours and, below the benchmark's own rows, from other splits and choices, too: they "
    "stand here for orientation and are not ranked with our runs."
)
BASELINE_TEXT = {REFERENCE: "Difference to the retrained model", OURS: "Difference to ARU"}
_TABLES = {DEFAULT: "default parameters", TUNED: "tuned parameters", OTHER: "other variants"}


def heading(setting: Mapping[str, Any]) -> str:
    """The title of one table."""
    return f"{str(setting['protocol']).capitalize()} protocol, {_TABLES[setting['variant']]} ({setting_text(setting)})"
