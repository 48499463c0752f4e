"""The persona: what it is, what it remembers, and what it says."""

import os

# A question is little work, and threads that share it wait for each other on a busy machine: 36 ms at the median and 234 at
# worst, against 17 and 40 with one. Must be set before numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
