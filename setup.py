"""What pyproject.toml cannot say: the extension, and that it may be missing.

Without a compiler, or with RAWWS_PURE=1, what is installed is Python alone; it does the same, more slowly.  With
RAWWS_PURE=0 an extension that cannot be built is an error, for those who make wheels.
"""

import os
import sys
import sysconfig
from tempfile import TemporaryDirectory

from setuptools import Extension, setup

# One build for all versions: the limited API, which free-threaded CPython does not have yet.
ABI3 = not sysconfig.get_config_var("Py_GIL_DISABLED")

speedups = Extension(
    "rawws.core._speedups",
    ["rawws/core/_speedups.c"],
    define_macros=[("Py_LIMITED_API", "0x030b0000")] if ABI3 else [],
    py_limited_api=ABI3,
    # The loop over the words of a payload becomes one over vectors; some Pythons are built with -O2, which does not.
    extra_compile_args=["/std:c11"] if sys.platform == "win32" else ["-O3"],
    optional=os.environ.get("RAWWS_PURE") != "0",
)

# PyPy compiles the Python itself, and is slow at calling C.
wanted = sys.implementation.name == "cpython" and os.environ.get("RAWWS_PURE") != "1"

# What was built before could be older than what it was built from, and somebody else may be building here too.
elsewhere = TemporaryDirectory(prefix="rawws-build-")

setup(
    ext_modules=[speedups] if wanted else [],
    options={
        "build": {"build_base": elsewhere.name},
        "egg_info": {"egg_base": elsewhere.name},
        "bdist_wheel": {"py_limited_api": "cp311" if wanted and ABI3 else False},
    },
)
