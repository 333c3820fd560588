"""Every test process computes on one thread: they run side by side."""

import os

# before torch is imported, so that workers do not fight for cores
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
