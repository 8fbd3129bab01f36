"""The graphs of the acceptance tests: in whatever folder the environment says."""

from __future__ import annotations

import os
from pathlib import Path

from tests.agents.graphs import app_in

app = app_in(Path(os.environ["GRAPHS"]))
