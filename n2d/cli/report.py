"""One page of HTML for a run: before and after, what was removed, and how it was done.

Everything is in the page itself; it asks nothing of any network, and text from files
and users is escaped.
"""

import base64
import html
import io
import shlex

# Of a picture's sides, in pixels: what is larger is cut to the middle.
LARGEST_SIDE = 768
# Leaves single hot or dead pixels out of the grey limits.
_PERCENTILES = (0.1, 99.9)
_RESIDUAL_PERCENTILE = 99

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.45 system-ui, sans-serif }
body { margin: 0 auto; max-width: 60rem; padding: 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.15rem; overflow-wrap: anywhere }
[hidden] { display: none !important }
.frame { overflow: auto; max-height: 80vh; border: 1px solid #8888 }
.pair { position: relative; width: 100% }
.pair img, .maps img { display: block; width: 100%; image-rendering: pixelated }
.pair .after { position: absolute; inset: 0; clip-path: inset(0 0 0 50%) }
label { display: flex; gap: .6rem; align-items: center; margin: .5rem 0 }
label input, label select { flex: 1; min-height: 2.2rem; min-width: 0 }
.maps { display: flex; flex-wrap: wrap; gap: .8rem }
.maps figure { flex: 1 1 14rem; max-width: 29.6rem }
figure { margin: 0 } figcaption { font-size: .85rem }
table { border-collapse: collapse; width: 100%; table-layout: fixed; margin-top: .6rem }
th, td { text-align: left; padding: .2rem .6rem .2rem 0; vertical-align: top;
  overflow-wrap: anywhere }
th { width: 8.5rem }
.good { color: #2e9e5b } .doubtful { color: #b07a00 } .bad { color: #d64545 }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #8882;
  padding: .6rem }
"""

_SCRIPT = """
for (const one of document.querySelectorAll("section")) {
  const after = one.querySelector(".after"), pair = one.querySelector(".pair");
  if (!pair) continue;
  const [slide, zoom] = one.querySelectorAll("input");
  const choice = one.querySelector("select");
  slide.oninput = () =>
    after.style.clipPath = `inset(0 0 0 ${slide.value}%)`;
  zoom.oninput = () => pair.style.width = `${zoom.value}%`;
  const show = () => {
    for (const map of one.querySelectorAll("[data-of]"))
      map.hidden = choice && map.dataset.of !== choice.value;
    if (choice) after.src = [...one.querySelectorAll("[data-after]")].find(
      (image) => image.dataset.after === choice.value).src;
  };
  if (choice) { choice.onchange = show; }
  show();
}
"""


def page(title, sections, command, note=""):
    """Lay out a run as one page.

    Parameters
    ----------
    title : str
        Its head.
    sections : list of str
        As `section` makes them.
    command : str
        What repeats the run.
    note : str, default=""
        What is to be said of all sections.

    Returns
    -------
    str
        HTML.
    """
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    policy += "script-src 'unsafe-inline'"
    return "\n".join(
        [
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{_text(title)}</h1>",
            *sections,
            *([f"<p>{_text(note)}</p>"] if note else ()),
            "<h2>The same again</h2>",
            f"<pre>{_text(command)}</pre>",
            f"<script>{_SCRIPT}</script></body></html>",
            "",
        ]
    )


def section(name, noisy, results, rows, *, errors=None, verdict=None):
    """Lay out one image.

    Parameters
    ----------
    name : str
        Of the image.
    noisy : ndarray of shape (h, w) or (h, w, 3), or None
        What went in; None where there is nothing to see.
    results : dict of str to ndarray
        What came out, by the name of the method.
    rows : list of tuple of two str
        What there is to say: a name and a text.
    errors : dict of str to ndarray, optional
        Standard errors of results.
    verdict : str, optional
        "good", "doubtful" or "bad": the colour of the row "trust".

    Returns
    -------
    str
        HTML.
    """
    parts = [f"<section><h2>{_text(name)}</h2>"]
    if noisy is not None and results:
        parts += _pictures(noisy, results, errors or {})
    parts.append("<table>")
    for key, text in rows:
        colour = f' class="{_text(verdict)}"' if key == "trust" and verdict else ""
        parts.append(f"<tr><th>{_text(key)}</th><td{colour}>{_text(text)}</td></tr>")
    parts.append("</table></section>")
    return "\n".join(parts)


def _pictures(noisy, results, errors):
    import numpy as np

    noisy = _middle(noisy)
    results = {name: _middle(image) for name, image in results.items()}
    first = next(iter(results.values()))
    finite = first[np.isfinite(first)]
    low, high = np.percentile(finite, _PERCENTILES) if finite.size else (0, 1)
    removed = {k: _grey(noisy - image) for k, image in results.items()}
    largest = max(_largest(image) for image in removed.values())
    height, width = noisy.shape[:2]
    shown = [
        f'<div class="frame"><div class="pair"><img alt="before" width="{width}" '
        f'height="{height}" style="height:auto" src="{_png(noisy, low, high)}">',
        f'<img class="after" alt="after" src="{_png(first, low, high)}"></div></div>',
        '<label>before / after<input type="range" min="0" max="100" value="50" '
        'aria-label="before or after"></label>',
        '<label>zoom<input type="range" min="100" max="800" value="100" '
        'aria-label="zoom in percent"></label>',
    ]
    if len(results) > 1:
        options = (f'<option value="{of}">{of}</option>' for of in map(_text, results))
        shown.append(
            f'<label>method<select aria-label="method">{"".join(options)}</select>'
            "</label>"
        )
    shown.append('<div class="maps">')
    for name, image in results.items():
        of = _text(name)
        if len(results) > 1:
            source = _png(image, low, high)
            shown.append(f'<img hidden data-after="{of}" alt="" src="{source}">')
        shown.append(
            f'<figure data-of="{of}"><img alt="removed" '
            f'src="{_png(removed[name], -largest, largest)}"><figcaption>removed by '
            f"{of}: grey is nothing, black and white &#177;{largest:.3g}; structure "
            "here is detail lost</figcaption></figure>"
        )
        if name in errors:
            error = _grey(_middle(errors[name]))
            top = _largest(error)
            shown.append(
                f'<figure data-of="{of}"><img alt="expected error" '
                f'src="{_png(error, 0, top)}"><figcaption>expected error of {of}: '
                f"black is 0, white {top:.3g}</figcaption></figure>"
            )
    shown.append("</div>")
    return shown


def _middle(image):
    """The middle of an image, as floating point."""
    import numpy as np

    image = np.asarray(image, float)
    cuts = []
    for n in image.shape[:2]:
        start = max(0, (n - LARGEST_SIDE) // 2)
        cuts.append(slice(start, start + LARGEST_SIDE))
    return image[tuple(cuts)]


def colours_last(image, axis):
    """Return an image as a page shows it.

    Parameters
    ----------
    image : array-like
        A plane.
    axis : int or None
        The axis of its channels.

    Returns
    -------
    ndarray of shape (h, w) or (h, w, 3)
        Floating point; of channels that are no three the mean.
    """
    import numpy as np

    image = np.asarray(image, float)
    if axis is None:
        return image
    image = np.moveaxis(image, axis, -1)
    return image if image.shape[-1] == 3 else image.mean(axis=-1)


def _grey(image):
    return image if image.ndim == 2 else image.mean(axis=-1)


def _largest(image):
    import numpy as np

    finite = np.abs(image[np.isfinite(image)])
    return float(np.percentile(finite, _RESIDUAL_PERCENTILE)) if finite.size else 1.0


def _png(image, low, high):
    """A picture as the address of itself."""
    import numpy as np
    from PIL import Image

    values = np.nan_to_num((image - low) / ((high - low) or 1))
    values = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _text(value):
    return html.escape(str(value), quote=True)


def command_of(context):
    """Write down the command that is running, as it was given.

    Parameters
    ----------
    context : typer.Context
        Of the command.

    Returns
    -------
    str
        For a shell.
    """
    options, arguments = [], []
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name)
        value = context.params.get(parameter.name)
        if source is None or source.name != "COMMANDLINE" or value is None:
            continue
        values = value if isinstance(value, (list, tuple)) else [value]
        if parameter.param_type_name == "argument":
            arguments += map(str, values)
        elif getattr(parameter, "is_flag", False):
            names = parameter.opts if value else parameter.secondary_opts
            options.append(names[0])
        elif parameter.multiple:
            for each in values:
                options += [parameter.opts[0], str(each)]
        else:
            options += [parameter.opts[0], *map(str, values)]
    words = context.command_path.split()
    return shlex.join(["n2d", *words[1:], *arguments, *options])


def write_page(path, text, *, overwrite):
    """Write a page, whole or not at all.

    Parameters
    ----------
    path : path-like
        The file.
    text : str
        As `page` gives it.
    overwrite : bool
        Whether it may be replaced.
    """
    from n2d.io import atomic_write

    with atomic_write(path, overwrite=overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
