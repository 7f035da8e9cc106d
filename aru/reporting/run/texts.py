"""The standing words of the report: what the figures mean, and what is not claimed. No verdict is among them."""

RESULTS = (
    "Small print under a figure: its 95 % bootstrap interval (people are drawn, with all their photos), and the gap to "
    "the retrained model, which never saw the forget images and is what unlearning aims at. Seconds: original, its "
    "training; unlearned, attack, mask and fine-tuning; retrained, its training."
)
COLUMNS = {
    "test/accuracy": ("Test accuracy", "higher is better"),
    "test/balanced_accuracy": ("Balanced accuracy", "higher is better"),
    "mia/forgetting_score": ("Forgetting score", "0 is best"),
    "nomus": ("NoMUS", "higher is better"),
    "mia_matched/auc": ("Class-matched AUC", "0.5: no knowledge"),
}
SECONDS = ("Seconds", "wall clock")
"""Columns of the results table: key in metrics.json -> heading and how to read it."""
FIGURES = {
    "losses": (
        "How sure each model is, image by image",
        "Each panel shows how the losses of one model are spread over the four sets; further left is surer. A model that "
        "remembers is surer of forget images (orange) than of unseen ones (blue). Where both lie upon each other, as "
        "they should in the retrained model, the loss gives nobody away.",
    ),
    "roc": (
        "Who can be found by the loss alone",
        "An attacker calls an image forgotten where its loss is low for its class. To the right: how many unseen images "
        "are wrongly accused; upwards: how many forget images are found. On the grey line it is a guess. Logarithmic axes "
        "show the left end, where few are accused but with certainty; the dotted upright marks 1 % wrongly accused.",
    ),
    "accuracy_per_class": (
        "Accuracy by class",
        "Left the test set, right the forget set. Unlearning should bring the forget accuracy down to the retrained "
        "model's in every class, and cost no class its test accuracy. Classes with few images swing by chance.",
    ),
    "mask": (
        "What was reset",
        "Left, the discrepancy that ranks the units of each layer: how differently the weights' gradients answer to the "
        "forget images and to the noises. Right, the share of units that were reset, with their number.",
    ),
    "training": (
        "Training",
        "Loss and accuracy on the images that each model was trained on, augmented, epoch by epoch. The unlearned "
        "model's curve is its fine-tuning on retained images after the reset.",
    ),
}
"""Figures in reading order: file name -> title and what it means."""
ALL_METRICS = "Every figure of metrics.json with its 95 % interval."
AUDIT = (
    "What the check of the data found. A person or photo on both sides of the forget cut, or shared between splits, "
    "makes forgetting look harder or easier than it is; other shares of classes fool the benchmark's attack."
)
COSTS = (
    "Every stage by itself, and as a share of retraining from scratch. Images count every pass over an image. Wall "
    "clock on the machine that ran it: not a property of the method alone."
)
SETTINGS = "What produced these figures."
DIGESTS = "The files behind this page, by the digests that DVC knows them by. Costs differ from run to run and are left out."
NOT_CLAIMED = (
    "This is no proof of erasure. The attacks look at the loss only; stronger ones may find what these do not.",
    "The retrained model is one model of one seed. Another seed gives other figures; the intervals speak of who is in the "
    "sets, not of how training falls out.",
    "The forgetting score and NoMUS follow the benchmark's definition, for comparison with published tables. NoMUS rewards "
    "accuracy as such, and its attack can be fooled by labels; read them beside the class-matched figures.",
    "Figures are averages over images. A single person may be more exposed than the average.",
    "Nothing is said about copies of the original model, of its noises or of the data elsewhere.",
)
