"""The audit trail straight from the store: written to a file, or verified."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from holdfast import wiring
from holdfast.commands import auditing
from holdfast.core.chain import Anchor, Link, ring
from holdfast.core.exporting import COLUMNS, Row, csv_row, first_line, line
from holdfast.core.verifying import Verdict
from holdfast.settings import Settings, SettingsError
from holdfast.store.trail import Trail


async def export(settings: Settings, file: IO[bytes], *, as_csv: bool) -> None:
    """Write all of it."""
    async with wiring.opened(settings, "holdfast-audit") as store:
        trail = Trail(store.connection, store.keys)
        file.write(Row().of(COLUMNS).encode() if as_csv else first_line(len(trail.partitions)) + b"\n")
        async for partition, record in auditing.whole(trail):
            if not as_csv:
                file.write(line(partition, record) + b"\n")
            elif isinstance(record, Link):
                file.write(csv_row(partition, record).encode())


async def verify(settings: Settings, anchors: list[Anchor], data: Path | None) -> list[Verdict]:
    """Verify what the store has. Raises SettingsError: there is no key, or no store."""
    proven = ring(keys(settings, data))
    async with wiring.opened(settings, "holdfast-audit") as store:
        return await auditing.verify(Trail(store.connection, store.keys), proven, anchors)


def keys(settings: Settings, data: Path | None) -> list[bytes]:
    """The keys to verify with. Raises SettingsError: there are none."""
    found = wiring.audit_keys(settings)
    if data is not None:
        from holdfast.cli.processes import kept_secret

        found += wiring.audit_keys(Settings(secret=kept_secret(data)))
    if not found:
        raise SettingsError("Set HOLDFAST_AUDIT_KEY, or HOLDFAST_SECRET, to what the trail was sealed with.")
    return found
