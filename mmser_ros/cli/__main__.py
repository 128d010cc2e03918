"""``python -m mmser_ros.cli``: the same as the command ``mmser``."""

from __future__ import annotations

import sys

from mmser_ros.cli import main

if __name__ == "__main__":
    sys.exit(main())
