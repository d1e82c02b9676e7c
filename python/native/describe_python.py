"""What CMake asks of an interpreter: suffix of its modules, folder of Python.h, version."""

import sys
import sysconfig

print(
    sysconfig.get_config_var("EXT_SUFFIX"),
    sysconfig.get_paths()["include"],
    "%d.%d" % sys.version_info[:2],
)
