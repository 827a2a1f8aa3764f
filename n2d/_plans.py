"""From the parameters of an estimator to the plan of a fit."""

from n2d._memory import check_room
from n2d._parameters import settled_factors
from n2d.core.prior import shipped_weights
from n2d.fitting.prior_start import PriorPlan
from n2d.fitting.random_start import CropPlan, PaperPlan
from n2d.noise.told import models_of_channels


def plan_of(denoiser):
    """Settle how a denoiser is fitted; "auto" is the default of the start taken."""
    if _starts_from_prior(denoiser):
        if denoiser.stack != "independent" and not takes_neighbours(denoiser):
            raise ValueError(
                f"stack={denoiser.stack!r} averages planes before they are denoised, "
                "and stage 3 learns from single ones; set detail_max_iter=0, or "
                "stack='independent'"
            )
        return PriorPlan(
            denoiser.hidden_channels,
            strength=denoiser.strength,
            stripes_go=denoiser.stripes == "remove",
            **_given(
                n_rounds=denoiser.max_iter,
                factors=denoiser.downsampling_factors,
                detail_steps=denoiser.detail_max_iter,
                detail_learning_rate=denoiser.learning_rate,
            ),
        )
    if denoiser.strength != 1:
        raise ValueError(
            f"strength={denoiser.strength} is for the network that was trained "
            "beforehand; with solver='paper' or init='random' it must be 1"
        )
    if denoiser.stripes != "keep":
        raise ValueError(
            "stripes are measured with the network that was trained beforehand; with "
            "solver='paper' or init='random' it must be 'keep'"
        )
    if denoiser.stack != "independent":
        raise ValueError(
            f"stack={denoiser.stack!r} is for the network that was trained beforehand; "
            "with solver='paper' or init='random' it must be 'independent'"
        )
    if not isinstance(denoiser.noise, str):
        raise ValueError(
            "noise is for the network that was trained beforehand; with "
            "solver='paper' or init='random' it must be 'auto'"
        )
    if denoiser.precision == "bfloat16":
        raise ValueError(
            "precision='bfloat16' is for the network that was trained beforehand; "
            "networks that are trained on the image are computed in float32"
        )
    # Weights, their gradients and two moments of each, of two networks.
    n_bytes = 2 * 4 * 4 * 9 * int(denoiser.hidden_channels) ** 2
    check_room(
        n_bytes,
        f"networks of hidden_channels={denoiser.hidden_channels}",
        "use fewer",
    )
    plan = PaperPlan if denoiser.solver == "paper" else CropPlan
    return plan(
        denoiser.hidden_channels,
        **_given(
            n_steps=denoiser.max_iter,
            factors=denoiser.downsampling_factors,
            detail_steps=denoiser.detail_max_iter,
            learning_rate=denoiser.learning_rate,
        ),
    )


def told_noise(noise, n_channels):
    """Turn the parameter `noise` into a model of each channel; None: to be measured."""
    return None if isinstance(noise, str) else models_of_channels(noise, n_channels)


def takes_neighbours(denoiser):
    """Tell whether a denoiser can use the neighbours of a plane."""
    return _starts_from_prior(denoiser) and denoiser.detail_max_iter in ("auto", 0)


def _given(**parameters):
    """What is not "auto"."""
    found = {k: v for k, v in parameters.items() if not isinstance(v, str)}
    if "factors" in found:
        found["factors"] = settled_factors(found["factors"])
    return found


def _starts_from_prior(denoiser):
    """Whether the network that was trained on generated images is applied."""
    solver, init = denoiser.solver, denoiser.init
    if init == "random" or (solver == "paper" and init == "auto"):
        return False
    if solver == "paper":
        raise ValueError(
            "init='synthetic' is for solver='fast'; the published schedule of "
            "solver='paper' starts from random weights"
        )
    shipped = shipped_weights(denoiser.hidden_channels) is not None
    if init == "synthetic" and not shipped:
        raise ValueError(
            "init='synthetic' asks for weights that the package does not ship for "
            f"hidden_channels={denoiser.hidden_channels}; use hidden_channels=48, or "
            "init='random'"
        )
    return shipped
