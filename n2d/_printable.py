"""Texts from outside, such as names of files, as they may be printed."""

import unicodedata

# Controls, also of the direction of writing, halves of characters, and ends of lines.
_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def printable(text, *, lines=False):
    """Escape what a terminal, or whoever reads a log, would take for something else.

    Parameters
    ----------
    text : str
        Of any origin.
    lines : bool, default=False
        Whether it is many lines that are meant as such.

    Returns
    -------
    str
        The text, with escapes such as those of Python in the place of control
        characters, so that it neither moves the cursor nor forges a line.

    Examples
    --------
    >>> from n2d._printable import printable
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
