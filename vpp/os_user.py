"""The user of this process, from the operating system."""

from __future__ import annotations

import getpass
import os


def os_user() -> str:
    """Return the name of the process's user id; environment variables such as ``LOGNAME`` do not count."""
    try:
        import pwd
    except ImportError:  # Windows, where getpass asks the system where USERNAME is all there is
        return getpass.getuser()
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid{os.getuid()}"
