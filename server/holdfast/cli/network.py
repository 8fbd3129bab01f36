"""Where this machine is, and how a phone is told."""

from __future__ import annotations

import socket
import sys

import click
import msgspec
import qrcode

# TEST-NET-1 (RFC 5737). Connecting a datagram socket sends nothing: it makes the system choose a way out.
ELSEWHERE = ("192.0.2.1", 9)


class LinkToShow(msgspec.Struct, frozen=True):
    """A link, for the terminal; with a code to scan, for a phone."""

    url: str
    as_code: bool = False

    def show(self) -> None:
        """Print it: one line that can be opened, copied, or read by a program."""
        click.echo(self.url)
        if self.as_code:
            code = qrcode.QRCode(border=1)
            code.add_data(self.url)
            code.print_ascii(out=sys.stdout, invert=True)
        sys.stdout.flush()


def lan_address() -> str:
    """This machine's address in its local network; loopback if it is in none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(ELSEWHERE)
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
