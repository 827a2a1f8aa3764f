"""Troubleshooting: what the page quotes is said, and what is said is on the page."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "doc/guide/troubleshooting.rst"
CHECKED = ROOT / "n2d/noise/check.py"  # yields verdicts with their reasons
ERRORS = {"ImageFileError", "PlanError", "AxesError", "OriginalsError"}
# The rest of a message, or all of it, which is found where it is put together.
UNKNOWN = "…"


def text_of(node):
    """A message as it is written, what is filled in as "…"."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) for part in node.values)
    if isinstance(node, ast.BinOp):
        return text_of(node.left) + text_of(node.right)
    return UNKNOWN


@cache
def trees():
    return {p: ast.parse(p.read_text("utf-8")) for p in (ROOT / "n2d").rglob("*.py")}


def name_of(call):
    return getattr(call.func, "id", getattr(call.func, "attr", ""))


def messages():
    """Yield what errors of files and warnings of noise say, and where."""
    for path, tree in trees().items():
        for node in ast.walk(tree):
            found = []
            if isinstance(node, ast.Call) and node.args:
                warned = [getattr(argument, "id", "") for argument in node.args[1:]]
                if name_of(node) in ERRORS or "NoiseWarning" in warned:
                    found = [node.args[0]]
            elif isinstance(node, ast.Yield) and path.parts[-2:] == (
                "noise",
                "check.py",
            ):
                found = node.value.elts[1:]
            for one in found:
                if isinstance(one, ast.IfExp):
                    texts = [text_of(one.body), text_of(one.orelse)]
                else:
                    texts = [text_of(one)]
                yield from (
                    (f"{path.relative_to(ROOT)}:{node.lineno}", " ".join(text.split()))
                    for text in texts
                )


def quoted():
    """What the page says in italics; lone words are names, such as of packages."""
    found = re.findall(r"\*(?! )([^*\n]+?)(?<! )\*(?!\*)", PAGE.read_text("utf-8"))
    return [text for text in found if " " in text]


def says(message, phrase):
    """Whether a message has a phrase, of which "…" stands for anything."""
    parts = (re.escape(part.strip()) for part in phrase.lower().split(UNKNOWN))
    return re.search(".*".join(parts), message.lower())


def test_every_kind_of_message_is_on_the_page():
    phrases, known = quoted(), list(messages())
    assert len(known) > 100
    lacking = [
        f"{place}: {text}"
        for place, text in known
        # Nothing but what is filled in: put together elsewhere.
        if re.search(r"\w", text.replace("holds", ""))
        and not any(says(text, phrase) for phrase in phrases)
    ]
    assert lacking == [], f"{PAGE.name} lacks what to do about these"


def test_what_the_page_quotes_is_said():
    texts = {
        " ".join(text_of(node).split())
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, (ast.Constant, ast.JoinedStr, ast.BinOp))
    }
    stale = [p for p in quoted() if not any(says(text, p) for text in texts)]
    assert stale == [], f"{PAGE.name} quotes what nothing says"
