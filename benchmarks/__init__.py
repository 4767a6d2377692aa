"""Own and peer systems side by side: same rows, same (epsilon, delta), same public domain, judged by the same code.

`python -m benchmarks run` makes every figure of `docs/benchmarks.md`, `python -m benchmarks report` writes the page.
"""

import os

# One thread unless the user says otherwise, here and in every run: figures are processor time.
os.environ.setdefault("OMP_NUM_THREADS", "1")
