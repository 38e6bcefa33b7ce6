"""How the interpreter is prepared."""

import resource
import subprocess
import sys

DEEP = """
import threading
from proxy.loop import prepare_interpreter

def nest(depth):
    return list(map(nest, [depth + 1]))

def go_deep():
    try:
        nest(0)
    except RecursionError:
        print("refused")

prepare_interpreter()
thread = threading.Thread(target=go_deep)
thread.start()
thread.join()
"""


def test_a_thread_has_room_for_all_frames_that_python_may_stack() -> None:
    def have_little() -> None:
        _, most = resource.getrlimit(resource.RLIMIT_STACK)
        resource.setrlimit(resource.RLIMIT_STACK, (1024 * 1024, most))

    program = subprocess.run(
        [sys.executable, "-c", DEEP], preexec_fn=have_little, capture_output=True, text=True, timeout=60
    )
    assert (program.returncode, program.stdout) == (0, "refused\n")


COLLECTING = """
import gc, sys
sys.argv = ["understudy", "--version"]
try:
    from proxy.__main__ import main
    main()
except SystemExit:
    print(gc.isenabled(), gc.get_freeze_count() > 10_000)
"""


def test_what_a_program_consists_of_is_not_searched_for_garbage_and_what_it_makes_is() -> None:
    program = subprocess.run([sys.executable, "-c", COLLECTING], capture_output=True, text=True, timeout=60)
    assert program.stdout.splitlines()[-1] == "True True"
