"""The directive ``command-help``: every command of ``n2d``, by its own ``--help``."""

from docutils import nodes
from docutils.parsers.rst import Directive


class CommandHelp(Directive):
    """A section for each command, with its text and its options."""

    def run(self):
        """Ask the command line what it has.

        Returns
        -------
        list of docutils nodes
            The sections.
        """
        import typer

        from n2d.cli import app

        group = typer.main.get_command(app)
        return [_section(name, command) for name, command in group.commands.items()]


def _section(name, command):
    import typer

    context = typer.Context(command, info_name=f"n2d {name}")
    section = nodes.section(ids=[f"n2d-{name}"], names=[f"n2d {name}"])
    section += nodes.title("", f"n2d {name}")
    usage = " ".join([f"n2d {name}", *command.collect_usage_pieces(context)])
    section += nodes.literal_block(usage, usage, language="none")
    for paragraph in (command.help or "").split("\n\n"):
        section += nodes.paragraph("", " ".join(paragraph.split()))
    entries = nodes.definition_list()
    for parameter in command.params:
        names, explained = parameter.get_help_record(context) or ("", "")
        if not names:
            continue
        item = nodes.definition_list_item()
        item += nodes.term("", "", nodes.literal("", names))
        item += nodes.definition("", nodes.paragraph("", explained))
        entries += item
    section += entries
    return section


def setup(app):
    """Tell Sphinx of the directive.

    Parameters
    ----------
    app : sphinx.application.Sphinx
        The build.

    Returns
    -------
    dict
        What Sphinx wants to know of an extension.
    """
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
