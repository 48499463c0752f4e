"""Speech recognition: speech in, words out."""

import os

# Prints of voices and spectrograms are small products: threads that share one wait for each other, and for those that decode.
# Must be set before numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
