"""The examples' folders, as `holdfast dev` finds them: an agent's own modules lie beside it."""

from __future__ import annotations

import sys
from pathlib import Path

SUPPORT = Path(__file__).parents[3] / "docs" / "examples" / "support"
sys.path.insert(0, str(SUPPORT))
