"""Keep freed memory for the next time instead of giving it back to the kernel.

Whoever frees and asks for the same large blocks again and again, as for images, otherwise has
their pages mapped and cleared anew each time.
"""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # malloc.h of the GNU C library


def keep_freed(kept: int) -> bool:
    """Tell malloc to keep up to ``kept`` free bytes at the end of its heap, and to reserve a
    quarter of that whenever the heap grows. False where the C library is not GNU's.
    """
    library = ctypes.CDLL(None)
    if not sys.platform.startswith("linux") or not hasattr(library, "gnu_get_libc_version"):
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, kept), (_TOP_PAD, kept // 4))
    return all(library.mallopt(option, value) == 1 for option, value in settings)
