"""The built site in headless Chromium: no errors, search, narrow and dark pages."""

import asyncio
import base64
import json
import os
import shutil
import subprocess
import threading
import time
import urllib.request
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SITE = Path(__file__).resolve().parents[1] / "doc" / "_build" / "html"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
# Folder for pictures of every page that is looked at, for eyes.
SCREENSHOTS = os.environ.get("N2D_SCREENSHOTS")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
    pytest.mark.skipif(
        not (SITE / "index.html").exists(), reason="no built site: nox -s docs"
    ),
]

websocket = pytest.importorskip("tornado.websocket", reason="tornado is absent")

PAGES = [
    "index.html",
    "install.html",
    "quickstart.html",
    "gallery/index.html",
    "gallery/plot_03_methods.html",
    "guide/how.html",
    "guide/commands.html",
    "guide/limits.html",
    "method.html",
    "api.html",
    "generated/n2d.Noise2DetailDenoiser.html",
    "benchmarks.html",
    "developer/index.html",
]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def address():
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=SITE))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    profile = tmp_path_factory.mktemp("chromium")
    options = (
        "headless no-sandbox disable-gpu disable-quic no-first-run "
        "disable-background-networking disable-component-update disable-sync "
        "disable-dev-shm-usage remote-debugging-port=0"
    )
    process = subprocess.Popen(
        [
            CHROMIUM,
            *(f"--{option}" for option in options.split()),
            f"--user-data-dir={profile}",
            "about:blank",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        written = profile / "DevToolsActivePort"
        for _ in range(300):
            if written.exists() and written.read_text().strip():
                break
            time.sleep(0.1)
        else:
            pytest.fail("Chromium did not start within 30 s")
        yield int(written.read_text().split()[0])
    finally:
        process.terminate()
        process.wait(20)


class Browser:
    """One page of Chromium, spoken to by its own protocol."""

    def __init__(self, connection):
        self._connection, self._number = connection, 0
        self.events = []

    async def ask(self, method, **parameters):
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": parameters}
        await self._connection.write_message(json.dumps(message))
        while True:
            answer = json.loads(await self._connection.read_message())
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    async def evaluate(self, expression):
        result = await self.ask(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def errors(self):
        """What a user would find in the console, and requests that failed."""
        for event in self.events:
            kind, details = event.get("method"), event.get("params", {})
            if kind == "Runtime.exceptionThrown":
                yield details["exceptionDetails"]["text"]
            elif kind == "Runtime.consoleAPICalled" and details["type"] == "error":
                yield str(details["args"])
            elif kind == "Log.entryAdded" and details["entry"]["level"] == "error":
                yield f"{details['entry']['text']} {details['entry'].get('url')}"

    def requests(self):
        """Every address that was asked for."""
        for event in self.events:
            if event.get("method") == "Network.requestWillBeSent":
                yield event["params"]["request"]["url"]


def visit(port, url, look, *, width=1280, height=900, dark=False, picture=None):
    """Open a page, and return what `look` says of it."""

    async def run():
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/json/new?about:blank", method="PUT"
        )
        with urllib.request.urlopen(request) as answer:
            target = json.load(answer)
        connection = await websocket.websocket_connect(
            target["webSocketDebuggerUrl"], max_message_size=2**28
        )
        page = Browser(connection)
        for domain in ("Runtime", "Log", "Network", "Page"):
            await page.ask(f"{domain}.enable")
        await page.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await page.ask("Emulation.setEmulatedMedia", features=[scheme])
        await page.ask("Page.navigate", url=url)
        for _ in range(100):
            ready = await page.evaluate("document.readyState + location.href")
            if ready.startswith("complete") and "about:blank" not in ready:
                break
            await asyncio.sleep(0.1)
        # Pictures that wait to be scrolled to, and scripts that come after.
        await page.evaluate(
            "Promise.all([...document.images].map(image => {"
            "  image.loading = 'eager';"
            "  return image.decode().catch(() => 0);"
            "}))"
        )
        await asyncio.sleep(0.3)
        found = await look(page)
        if SCREENSHOTS and picture:
            shot = await page.ask(
                "Page.captureScreenshot", captureBeyondViewport=True, format="png"
            )
            folder = Path(SCREENSHOTS)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{picture}.png").write_bytes(base64.b64decode(shot["data"]))
        connection.close()
        while await connection.read_message() is not None:
            pass  # until the other side has closed, too
        close = f"http://127.0.0.1:{port}/json/close/{target['id']}"
        urllib.request.urlopen(close).close()
        return found

    return asyncio.run(run())


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("name", PAGES)
def test_pages_are_whole(port, address, name, width, dark):
    if dark and name not in {"index.html", "method.html", "benchmarks.html"}:
        pytest.skip("three pages are enough in the dark")

    async def look(page):
        return {
            "errors": list(page.errors()),
            "foreign": [url for url in page.requests() if address not in url],
            "pictures": await page.evaluate(
                "[...document.images].filter(image => !image.naturalWidth)"
                ".map(image => image.src)"
            ),
            "width": await page.evaluate("document.documentElement.scrollWidth"),
            "paper": await page.evaluate(
                "getComputedStyle(document.body).backgroundColor"
            ),
            "ink": await page.evaluate(
                "getComputedStyle(document.querySelector('article p')).color"
            ),
        }

    picture = f"{name[:-5].replace('/', '_')}_{width}{'_dark' if dark else ''}"
    found = visit(
        port, f"{address}/{name}", look, width=width, dark=dark, picture=picture
    )
    assert found["errors"] == []
    # data: and about: are no requests to anywhere.
    assert [url for url in found["foreign"] if url.startswith("http")] == []
    assert found["pictures"] == []
    assert found["width"] <= width
    paper, ink = (brightness(found[key]) for key in ("paper", "ink"))
    assert (paper < 60 and ink > 150) if dark else (paper > 200 and ink < 120)


def brightness(color):
    """Mean of the three numbers of ``rgb(1, 2, 3)``."""
    numbers = color[color.index("(") + 1 : -1].split(",")[:3]
    return sum(map(float, numbers)) / 3


def test_search_finds(port, address):
    async def look(page):
        for _ in range(100):
            titles = await page.evaluate(
                "[...document.querySelectorAll('#search-results li a')]"
                ".map(link => link.textContent)"
            )
            if titles:
                break
            await asyncio.sleep(0.1)
        return titles, list(page.errors())

    titles, errors = visit(
        port, f"{address}/search.html?q=Hounsfield", look, picture="search"
    )
    assert errors == []
    assert any("tomography" in title for title in titles)
