"""The environment that every test and every process of a test has, whatever the machine's is. Imported before the rest.

Only what the machine itself needs is kept, by name: terminals, shells, CI services and libraries read more variables
than anybody could list. Processes of a test inherit the result and whatever the test adds to it.
"""

import atexit
import os
import shutil
import tempfile
import time

_KEPT = {
    *("PATH", "TMPDIR", "TEMP", "TMP", "USER", "LOGNAME", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"),
    *("LONG_TESTS", "LLAMA_SERVER_URL", "SCREENSHOTS"),  # settings of these tests
}
_KEPT_FAMILIES = (
    *("LD_", "DYLD_", "NIX_LD", "FAKETIME", "COVERAGE_", "COV_"),  # how programs are loaded and observed
    *("OPENBLAS_", "OMP_", "MKL_", "NVPL_", "BLIS_"),  # some processors need them
    *("PYTEST_CURRENT_TEST", "PYTEST_XDIST_", "PYTEST_VERSION", "PYTEST_DEBUG_TEMPROOT"),
)
_MADE = "TESTS_ENVIRONMENT"
"""Set where the environment is already this one: in workers of xdist and processes of tests."""

FIXED = {
    "COLUMNS": "120",
    "LINES": "40",
    "TERM": "xterm",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONUTF8": "1",
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_CONFIG_FILE": os.devnull,
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    # A clone may belong to another user, to which git objects; settings of the user and the machine do not count.
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
}


def scrubbed(environment: dict[str, str], home: str) -> dict[str, str]:
    """What is kept of an environment, with the fixed values and a home folder that has no settings."""
    kept = {name: value for name, value in environment.items() if name in _KEPT or name.startswith(_KEPT_FAMILIES)}
    return kept | FIXED | {"HOME": home, _MADE: "1"}


def _remove(home: str, owner: int) -> None:
    if os.getpid() == owner:  # and not a process that was forked from it
        shutil.rmtree(home, ignore_errors=True)


def _scrub() -> None:
    if _MADE in os.environ:
        return
    home = tempfile.mkdtemp(prefix="farebox-home-")
    atexit.register(_remove, home, os.getpid())
    made = scrubbed(dict(os.environ), home)
    os.environ.clear()
    os.environ.update(made)


_scrub()
time.tzset()
os.umask(0o022)
