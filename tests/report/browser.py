"""A headless Chromium, spoken to over a pipe: no driver, no port and no package is needed beside the browser itself."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")

PHONE = (360, 740)
SCREEN = (1280, 900)


def chromium() -> str:
    """Return the path of a Chromium; the test is skipped where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no Chromium here (looked for {', '.join(NAMES)}), so no page was opened in a browser")
    return found


@dataclass
class Browser:
    """One page of a running browser."""

    asks: IO[bytes]
    answers: IO[bytes]
    session: str = ""
    asked: int = 0

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Return the result of one command of the DevTools protocol."""
        self.asked += 1
        message: dict[str, object] = {"id": self.asked, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.asks.write(json.dumps(message).encode() + b"\0")
        self.asks.flush()
        while True:
            answer = self.read()
            if answer.get("id") == self.asked:
                assert "error" not in answer, answer
                return dict(answer["result"])

    def read(self) -> dict[str, Any]:
        received = bytearray()
        while (byte := self.answers.read(1)) != b"\0":
            assert byte, "the browser has ended"
            received += byte
        return dict(json.loads(received))

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def open(self, page: Path, *, size: tuple[int, int] = SCREEN, dark: bool = False, media: str = "") -> None:
        """Show a file."""
        width, height = size
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self.call("Page.enable")
        self.call("Page.navigate", url=page.resolve().as_uri())
        while self.read().get("method") != "Page.loadEventFired":
            pass

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press one key."""
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=KEYS[key],
                modifiers=8 if shift else 0,
                **({"text": "\r"} if key == "Enter" and kind == "keyDown" else {}),
            )

    def picture(self) -> bytes:
        """Return the whole page as PNG."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    def pdf(self) -> bytes:
        """Return the page as it would be printed."""
        return base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=True)["data"])


KEYS = {"Tab": 9, "Enter": 13}


@contextmanager
def browsing(folder: Path) -> Iterator[Browser]:
    """Start a browser with a profile below `folder`; it ends with the context."""
    ask_read, ask_write = os.pipe()
    answer_read, answer_write = os.pipe()
    command = (
        f'exec "$0" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars --no-first-run '
        f'--disable-background-networking --user-data-dir="$1" --remote-debugging-pipe about:blank '
        f"3<&{ask_read} 4>&{answer_write}"
    )
    child = subprocess.Popen(
        ["/bin/bash", "-c", command, chromium(), str(folder / "profile")],
        pass_fds=(ask_read, answer_write),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(ask_read)
    os.close(answer_write)
    try:
        with os.fdopen(ask_write, "wb") as asks, os.fdopen(answer_read, "rb", buffering=1 << 16) as answers:
            page = Browser(asks, answers)
            target = page.call("Target.createTarget", url="about:blank")["targetId"]
            page.session = page.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            yield page
    finally:
        child.terminate()
        child.wait(timeout=20)
