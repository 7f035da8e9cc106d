"""What the parameters of a method's row are called, where they are not spelt out."""

DEFAULT, TUNED, OTHER = "default", "tuned", "other"
"""The tables of a protocol: all methods with their defaults, all tuned alike, and every other variant of one."""
CAPPED = "capped"
"""The variant with the best parameters whose trial cost no more than the cap, published settings included."""
PARAMETERS = (DEFAULT, TUNED, CAPPED)
"""What plain names of methods can stand for in a comparison."""


def setting_name(method: str, variant: str) -> str:
    """A method with its variant in brackets, or alone at its defaults: ``aru (recommended)``."""
    return method if variant == DEFAULT else f"{method} ({variant})"
