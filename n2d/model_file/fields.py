"""Values of a model file's document, each checked as it is taken out."""

import math

from n2d.model_file.container import ModelFileError


class Fields:
    """A JSON object whose members are taken one by one; in the end none is left.

    Parameters
    ----------
    members : object
        As parsed; an error if it is not a dict.
    name : str, default=""
        How messages call it.
    """

    def __init__(self, members, name=""):
        self.name = name
        if not isinstance(members, dict):
            raise self.wrong("", "an object")
        self._members = dict(members)

    def wrong(self, member, wanted):
        """Return the error that says what a member should have been.

        Parameters
        ----------
        member : str
            Its name, "" for the object as a whole.
        wanted : str
            What would have done.

        Returns
        -------
        ModelFileError
            To be raised; it does not name the file.
        """
        where = ".".join(filter(None, (self.name, member))) or "its document"
        return ModelFileError(
            f"holds no usable model: {where} must be {wanted}; get another copy, or "
            "fit the model again"
        )

    def has(self, member):
        """Tell whether a member is there, and not yet taken.

        Parameters
        ----------
        member : str
            Its name.

        Returns
        -------
        bool
        """
        return member in self._members

    def take(self, member):
        """Take a member of any kind.

        Parameters
        ----------
        member : str
            Its name.

        Returns
        -------
        object
            As parsed.
        """
        if member not in self._members:
            raise self.wrong(member, "there")
        return self._members.pop(member)

    def integer(self, member, low, high):
        """Take an int.

        Parameters
        ----------
        member : str
            Its name.
        low, high : int
            The least and the largest that will do.

        Returns
        -------
        int
            The value.
        """
        value = self.take(member)
        if type(value) is not int or not low <= value <= high:
            raise self.wrong(member, f"a whole number from {low} to {high}")
        return value

    def integers(self, member, low, high, *, most=64):
        """Take a tuple of ints.

        Parameters
        ----------
        member : str
            Its name.
        low, high : int
            The least and the largest that will do.
        most : int, default=64
            How many there may be.

        Returns
        -------
        tuple of int
            The values.
        """
        values = self.take(member)
        if (
            not isinstance(values, list)
            or len(values) > most
            or not all(type(v) is int and low <= v <= high for v in values)
        ):
            raise self.wrong(member, f"a list of whole numbers from {low} to {high}")
        return tuple(values)

    def number(self, member, low=-math.inf, high=math.inf):
        """Take a finite float.

        Parameters
        ----------
        member : str
            Its name.
        low, high : float, optional
            The least and the largest that will do.

        Returns
        -------
        float
            The value.
        """
        value = self.take(member)
        if not is_number(value) or not low <= value <= high:
            raise self.wrong(member, f"a number from {low:g} to {high:g}")
        return value

    def interval(self, member):
        """Take two finite floats, the second not below the first.

        Parameters
        ----------
        member : str
            Their name.

        Returns
        -------
        tuple of two floats
            The values.
        """
        value = self.take(member)
        if (
            not isinstance(value, list)
            or len(value) != 2
            or not all(map(is_number, value))
            or value[0] > value[1]
        ):
            raise self.wrong(member, "two numbers, the lower first")
        return tuple(value)

    def text(self, member, most=200):
        """Take a text.

        Parameters
        ----------
        member : str
            Its name.
        most : int, default=200
            How many characters it may have.

        Returns
        -------
        str
            The value.
        """
        value = self.take(member)
        if not isinstance(value, str) or len(value) > most:
            raise self.wrong(member, f"a text of at most {most} characters")
        return value

    def choice(self, member, choices):
        """Take a value that is one of a few.

        Parameters
        ----------
        member : str
            Its name.
        choices : sequence
            All values that will do.

        Returns
        -------
        object
            The value.
        """
        value = self.take(member)
        # True == 1, and a list cannot be looked up.
        if not any(type(value) is type(c) and value == c for c in choices):
            raise self.wrong(member, " or ".join(map(repr, choices)))
        return value

    def weights(self, member):
        """Take weights of factors, stored as pairs to keep their order.

        Parameters
        ----------
        member : str
            Their name.

        Returns
        -------
        dict of int to float
            The weights by factor, each at least 1.
        """
        pairs = self.take(member)
        if (
            not isinstance(pairs, list)
            or len(pairs) > 64
            or not all(
                isinstance(pair, list)
                and len(pair) == 2
                and type(pair[0]) is int
                and 1 <= pair[0]
                and is_number(pair[1])
                for pair in pairs
            )
            or len(dict(pairs)) != len(pairs)
        ):
            raise self.wrong(member, "pairs of a factor and its weight")
        return dict(pairs)

    def optional(self, member, read):
        """Take a member that may be null.

        Parameters
        ----------
        member : str
            Its name.
        read : callable
            The method of this object that takes it if it is not.

        Returns
        -------
        object
            None, or what `read` returned.
        """
        if member in self._members and self._members[member] is None:
            return self._members.pop(member)
        return read(member)

    def each(self, member, least, most):
        """Take a list.

        Parameters
        ----------
        member : str
            Its name.
        least, most : int
            How many items there may be.

        Returns
        -------
        list
            The items, as parsed.
        """
        value = self.take(member)
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise self.wrong(member, f"a list of {least} to {most} items")
        return value

    def end(self):
        """Complain if a member has not been taken: it would mean something."""
        if self._members:
            name = min(self._members)[:80]
            raise self.wrong("", f"without the unknown {name!r}")


def is_number(value):
    """Whether a value is a float, and finite.

    Parameters
    ----------
    value : object
        Anything.

    Returns
    -------
    bool
        False for ints and texts, too.
    """
    return type(value) is float and math.isfinite(value)
