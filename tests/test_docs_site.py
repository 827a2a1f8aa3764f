"""The built site: no broken link or picture, nothing loaded from elsewhere."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

SITE = Path(__file__).resolve().parents[1] / "doc" / "_build" / "html"

pytestmark = pytest.mark.skipif(
    not (SITE / "index.html").exists(), reason="no built site: nox -s docs"
)

# (tag, attribute) that load something, and not only lead somewhere
LOADED = {("img", "src"), ("script", "src"), ("link", "href"), ("source", "src")}


class Page(HTMLParser):
    """Anchors of a page, where it leads, and what it loads."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links, self.loaded = set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors.add(attrs.get("id"))
        self.anchors.add(attrs.get("name"))
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])
        for name, attribute in LOADED:
            if tag != name or not attrs.get(attribute):
                continue
            if tag == "link" and attrs.get("rel") in {"canonical", "next", "prev"}:
                continue
            self.loaded.append(attrs[attribute])


@pytest.fixture(scope="module")
def pages():
    return {
        path.resolve(): Page(path)
        for path in sorted(SITE.rglob("*.html"))
        if "_static" not in path.relative_to(SITE).parts
    }


def test_links_lead_somewhere(pages):
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)) if parts.path else path
            target = target.resolve()
            if target.is_dir():
                target /= "index.html"
            if not target.exists():
                broken.append(f"{path.name}: {link}")
            elif (
                parts.fragment
                and target in pages
                and unquote(parts.fragment) not in pages[target].anchors
            ):
                broken.append(f"{path.name}: no anchor {link}")
    assert not broken


def test_everything_that_is_loaded_is_there(pages):
    missing = []
    for path, page in pages.items():
        for link in page.loaded:
            parts = urlsplit(link)
            if parts.scheme == "data":
                continue
            assert not parts.scheme + parts.netloc, f"{path.name} loads {link}"
            if not (path.parent / unquote(parts.path)).exists():
                missing.append(f"{path.name}: {link}")
    assert not missing


def test_no_comparison_of_the_gallery_failed():
    for path in (SITE / "gallery").glob("plot_*.html"):
        text = path.read_text(encoding="utf-8")
        assert "Failed:" not in text, path.name
        assert 'src="../_images/sphx_glr' in text, path.name


def test_the_gallery_has_pictures_and_no_placeholders():
    names = {path.stem for path in (SITE / "gallery").glob("*.html")}
    assert all(name.startswith("plot_") for name in names - {"index"})


def test_pictures_are_no_paths_of_this_machine(pages):
    home = str(SITE.parents[2])
    for path in pages:
        assert home not in path.read_text(encoding="utf-8"), path.name


def test_the_site_is_not_large():
    size = sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file())
    assert size < 60e6
