"""Values of a model file's document, each checked as it is taken out."""

import math

from n2d.model_file.container import ModelFileError


class Fields:
    """A JSON object whose members are taken one by one; in the end none is left."""

    def __init__(self, members, name=""):
        self.name = name
        if not isinstance(members, dict):
            raise self.wrong("", "an object")
        self._members = dict(members)

    def wrong(self, member, wanted):
        """Return the error that says what a member ("": all) should have been.

        It does not name the file.
        """
        where = ".".join(filter(None, (self.name, member))) or "its document"
        return ModelFileError(
            f"holds no usable model: {where} must be {wanted}; get another copy, or "
            "fit the model again"
        )

    def has(self, member):
        """Tell whether a member is there, and not yet taken."""
        return member in self._members

    def take(self, member):
        """Take a member of any kind."""
        if member not in self._members:
            raise self.wrong(member, "there")
        return self._members.pop(member)

    def integer(self, member, low, high):
        """Take an int within limits."""
        value = self.take(member)
        if type(value) is not int or not low <= value <= high:
            raise self.wrong(member, f"a whole number from {low} to {high}")
        return value

    def integers(self, member, low, high, *, most=64):
        """Take a tuple of at most so many ints within limits."""
        values = self.take(member)
        if (
            not isinstance(values, list)
            or len(values) > most
            or not all(type(v) is int and low <= v <= high for v in values)
        ):
            raise self.wrong(member, f"a list of whole numbers from {low} to {high}")
        return tuple(values)

    def number(self, member, low=-math.inf, high=math.inf):
        """Take a finite float within limits."""
        value = self.take(member)
        if not is_number(value) or not low <= value <= high:
            raise self.wrong(member, f"a number from {low:g} to {high:g}")
        return value

    def interval(self, member):
        """Take two finite floats, the second not below the first."""
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
        """Take a text of at most so many characters."""
        value = self.take(member)
        if not isinstance(value, str) or len(value) > most:
            raise self.wrong(member, f"a text of at most {most} characters")
        return value

    def choice(self, member, choices):
        """Take a value that is one of a few."""
        value = self.take(member)
        # True == 1, and a list cannot be looked up.
        if not any(type(value) is type(c) and value == c for c in choices):
            raise self.wrong(member, " or ".join(map(repr, choices)))
        return value

    def weights(self, member):
        """Take weights by factor, each at least 1; pairs keep their order."""
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
        """Take a member by the method `read`, or None where it is null."""
        if member in self._members and self._members[member] is None:
            return self._members.pop(member)
        return read(member)

    def each(self, member, least, most):
        """Take a list of as many items."""
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
    """Whether a value is a float, and finite; ints are none."""
    return type(value) is float and math.isfinite(value)
