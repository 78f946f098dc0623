"""The Chromium of this machine, if there is one, and how it is started without a screen."""

import shutil

HEADLESS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
)


def chromium() -> str | None:
    """The program."""
    return shutil.which("chromium") or shutil.which("chromium-browser")
