"""How much of every stage estimate goes into stage 2, chosen without a clean image.

Stein's unbiased risk estimate, for Gaussian noise n of known correlation and of
standard deviation 1: E |x_hat - x|^2 = E |x_hat - y|^2 - 1 + 2 div, where div =
E[n (x_hat(y + e n) - x_hat(y))] / e needs one probe n (C. Stein, 1981,
doi:10.1214/aos/1176345632; S. Ramani et al., 2008, doi:10.1109/TIP.2008.2001404). In
the weights of a mixture it is a quadratic form, minimized where they are not negative
and sum to 1.
"""

from itertools import combinations

import torch

_PROBE = 0.1


def correlated_noise(shape, correlation, generator):
    """Draw Gaussian noise of standard deviation 1.

    Parameters
    ----------
    shape : tuple of int
        (C, h, w).
    correlation : torch.Tensor of shape (C, 2 or more, n_lags)
        Correlation at distances of 1, 2, ... pixels along y, then x; more is not used.
    generator : torch.Generator
        Source of randomness, on the CPU.

    Returns
    -------
    torch.Tensor of shape (C, h, w)
        On the CPU.
    """
    kind = {"dtype": torch.float32, "device": "cpu"}  # whatever the defaults are
    white = torch.randn(shape, generator=generator, **kind)
    noise = correlate(white, correlation)
    return noise / noise.std(dim=(1, 2), keepdim=True, correction=0).clamp(min=1e-6)


def correlate(white, correlation):
    """Give white noise a correlation, at the same variance on average.

    Parameters
    ----------
    white : torch.Tensor of shape (C, h, w)
        On the CPU.
    correlation : torch.Tensor of shape (C, 2 or more, n_lags)
        As for `correlated_noise`.

    Returns
    -------
    torch.Tensor of shape (C, h, w)
    """
    power = 1
    for axis in (0, 1):
        lags = correlation[:, axis].cpu()  # (C, n_lags)
        frequency = torch.fft.fftfreq(
            white.shape[1 + axis], dtype=torch.float32, device="cpu"
        )
        distance = torch.arange(1, lags.shape[1] + 1)
        waves = torch.cos(2 * torch.pi * frequency[:, None] * distance)
        along = (1 + 2 * lags @ waves.T).clamp(min=0)  # (C, n)
        power = power * (along[:, :, None] if axis == 0 else along[:, None, :])
    power = power / power.mean(dim=(1, 2), keepdim=True).clamp(min=1e-6)
    return torch.fft.ifft2(torch.fft.fft2(white) * power.sqrt()).real


def smallest_risk(estimates_of, windows, correlation, generator):
    """Weight estimates so that the expected squared error is smallest.

    Parameters
    ----------
    estimates_of : callable
        Maps y (1, C, h, w) to a list of K estimates of the same shape.
    windows : sequence of torch.Tensor of shape (C, h, w)
        Noisy images.
    correlation : torch.Tensor of shape (C, 2 or more, n_lags)
        Of the noise, as for `correlated_noise`.
    generator : torch.Generator
        Draws the probes, on the CPU.

    Returns
    -------
    list of K floats
        Not negative, of sum 1.
    """
    products, divergences, n_values = 0, 0, 0
    for y in windows:
        probe = correlated_noise(y.shape, correlation, generator).to(y.device)
        estimates = torch.stack([e[0] for e in estimates_of(y[None])])
        probed = torch.stack([e[0] for e in estimates_of((y + _PROBE * probe)[None])])
        residuals = (estimates - y).flatten(1).double()  # (K, C h w)
        change = ((probed - estimates) / _PROBE * probe).flatten(1).double()
        products = products + residuals @ residuals.T
        divergences = divergences + change.sum(1)
        n_values += y.numel()
    return _simplex_minimum(products / n_values, divergences / n_values)


def _simplex_minimum(a, b):
    """Minimize w'a w + 2 b'w over w >= 0 with sum 1, trying all sets of non-zeros."""
    n = len(b)
    best, lowest = None, torch.inf
    for size in range(1, n + 1):
        for chosen in combinations(range(n), size):
            index = torch.tensor(chosen)
            system = torch.ones(size + 1, size + 1, dtype=a.dtype)
            system[:size, :size] = a.cpu()[index][:, index]
            system[size, size] = 0
            target = torch.cat([-b.cpu()[index], torch.ones(1, dtype=a.dtype)])
            solution = torch.linalg.lstsq(system, target[:, None]).solution[:size, 0]
            if (solution < 0).any():
                continue
            weights = torch.zeros(n, dtype=a.dtype)
            weights[index] = solution
            risk = weights @ a.cpu() @ weights + 2 * b.cpu() @ weights
            if risk < lowest:
                best, lowest = weights, risk
    return [float(weight) for weight in best]
