"""What there is to say of a fitted model, for a terminal."""


def report(model):
    """Lay out what a fitted denoiser has measured and settled.

    Parameters
    ----------
    model : Noise2DetailDenoiser
        Fitted.

    Returns
    -------
    str
        One line for each thing to know; quantities are in units of the image.
    """
    rows = [("fitted to", _input(model.input_fingerprint_)), *_noise(model.noise_)]
    low, high = model.data_range_
    rows.append(("scale", f"{low:.6g} to {high:.6g} are mapped to 0 to 1"))
    rows.append(("steps", f"{model.n_iter_}, {model.stop_reason_}"))
    factors = ", ".join(map(str, model.downsampling_factors_))
    rows.append(("factors", factors or "none (stage 2 is off)"))
    n_weights = [sum(p.numel() for p in net.parameters()) for net in model.networks_]
    rows.append(("weights", " + ".join(f"{n:,}" for n in n_weights)))
    rows.append(("parameters", _parameters(model)))
    return "\n".join(f"{name:<14}{text}" for name, text in rows)


def _input(fingerprint):
    n = fingerprint["n_images"]
    text = f"{n:,} image{'s' * (n > 1)}"
    if fingerprint["shape"]:
        text += f", {' x '.join(map(str, fingerprint['shape']))}"
    if fingerprint["dtype"]:
        text += f", {fingerprint['dtype']}"
    return text


def _noise(noise):
    """Describe one noise model, or one for every channel."""
    if noise is None:
        return [("noise", "not measured, by random weights")]
    models = noise if isinstance(noise, tuple) else (noise,)

    def each(name):
        return ", ".join(f"{getattr(model, name):.4g}" for model in models)

    near = [
        f"{model.correlation[0, 0]:.2f} along y and {model.correlation[1, 0]:.2f} "
        "along x"
        for model in models
    ]
    return [
        ("noise level", f"{each('level')}, in units of the image"),
        ("gain", f"{each('gain')} of variance per unit of intensity"),
        ("offset", each("offset")),
        ("read noise", each("read_noise")),
        ("correlation", f"of neighbours {'; '.join(near)}"),
    ]


def _parameters(model):
    """Name the parameters that are not what they are by default."""
    defaults = type(model)().get_params()
    # Of a machine or a file, not of the model.
    left_out = {"verbose", "device", "channel_axis"}
    changed = [
        f"{name}={value!r}"
        for name, value in model.get_params().items()
        if name not in left_out and value != defaults[name]
    ]
    return ", ".join(changed) or "all by default"
