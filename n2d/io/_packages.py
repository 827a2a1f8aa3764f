"""Packages that not every installation has, imported when a file asks for one."""

import importlib


def imported(package, extra, files):
    """Import a package, or say which files need it, and how it is installed.

    >>> imported("no_such_package", "medical", "XYZ files")
    Traceback (most recent call last):
    ...
    ImportError: XYZ files need the package no_such_package: pip install \
"noise2detail[medical]"
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ImportError(
            f'{files} need the package {package}: pip install "noise2detail[{extra}]"'
        ) from error
