"""Texts from outside, such as names of files, as they may be printed."""

import unicodedata

# Controls, also of the direction of writing, halves of characters, and ends of lines.
_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def printable(text, *, lines=False):
    """Escape what a terminal, or whoever reads a log, would take for something else.

    So the text neither moves the cursor nor, unless `lines` are meant, forges a line.

    >>> printable("cell \\x1b[2J\\nerror: none, 細胞 5 µm")
    'cell \\\\x1b[2J\\\\nerror: none, 細胞 5 µm'
    """
    if text.isprintable():
        return text
    kept = "\n" if lines else ""
    return "".join(
        character
        if character in kept or unicodedata.category(character) not in _HIDDEN
        else character.encode("unicode_escape", "surrogatepass").decode()
        for character in text
    )


def one_line(error):
    """Return an exception as one line of text."""
    if isinstance(error, MemoryError):
        text = " ".join(str(error).split())
        return f"out of memory: {text or 'close other programs, or use less at once'}"
    if isinstance(error, FileExistsError) and error.filename:
        return f"{error.filename}: exists already; --overwrite replaces it"
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    text = " ".join(str(error).split())
    told = (ImportError, OSError, RuntimeError, TypeError, ValueError)
    if isinstance(error, told) and text:
        return text
    return f"{type(error).__name__}: {text}".rstrip(": ")
