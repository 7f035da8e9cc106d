"""Imported by a program before all else: the garbage collector looks through its objects a hundred times less often.

PyTorch, scikit-learn, MLflow and Prefect make millions of objects when they are imported, all of which stay. Looking
through them again and again for cycles took about a sixth of the time of the imports. Tensors are freed by reference counts,
not by the collector.
"""

import gc

gc.set_threshold(100_000)
