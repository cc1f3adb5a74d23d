"""`python -m grader` is `grade`. One thread for every numerical library, set before anything is imported."""

import os
import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # the working folder, which may be a student's: none of its modules is to run here

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ["CUDA_VISIBLE_DEVICES"] = ""

from grader.cli.main import main  # noqa: E402

if __name__ == "__main__":
    main()
