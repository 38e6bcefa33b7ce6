"""``understudy``, and ``python -m proxy``.

The engine alone is read without the rest of the command line: it starts sooner and takes less memory.
"""

import gc
import sys

# What is read now is there to stay, and to look for garbage in it takes a tenth of the start.
gc.disable()

if sys.argv[1:2] == ["engine"]:
    from proxy.engine_command import main
else:
    from proxy.cli import main

if __name__ == "__main__":
    sys.exit(main())
