"""Durations as authors write them; they live in the core, where tokens and settings find them too."""

from __future__ import annotations

from holdfast.core.durations import UNITS_MS, Duration, milliseconds

__all__ = ["UNITS_MS", "Duration", "milliseconds"]
