"""Intensities mapped where the networks are: what `Intensities` does, by PyTorch."""

import math

import torch

from n2d.core.team import share
from n2d.noise.stabilize import curves_of

# On a CPU so many pixels at a time, which stay in the processor's cache.
_BAND_PIXELS = 2**15


class DeviceIntensities:
    """The maps of `n2d.fitting.intensities.Intensities`, for tensors on a device.

    In float64: a GPU that is slow at it still is as fast as its memory.

    Parameters
    ----------
    intensities : Intensities
        The maps.
    device : torch.device
        Where the tensors are.
    """

    def __init__(self, intensities, device):
        self.device, self._places = device, intensities.places
        self._low, self._span = intensities.data_range[0], intensities.span
        # What becomes of them depends on their neighbours: the processor looks at them.
        self._have_defects = intensities.reach > 0
        self._forward_there = intensities.forward
        self._channels = None
        if intensities.noise is not None:
            self._channels = [_Channel(n, device) for n in intensities.noise]
        self._rotation = self._back = self._shift = None
        if intensities.rotation is not None:
            self._rotation = self._tensor(intensities.rotation)
            self._back = self._tensor(intensities.back)
        if intensities.shift is not None:
            self._shift = self._tensor(intensities.shift)[:, None, None]

    def _tensor(self, values):
        return torch.tensor(values, dtype=torch.float64).to(self.device)

    def _in_bands(self, function, dtype, *maps, top, left):
        """Apply a function of pixels and their place, band by band on a CPU."""
        if self.device.type != "cpu":
            return function(*maps, top, left).to(dtype)
        height, width = maps[0].shape[1:]
        rows = max(1, _BAND_PIXELS // max(1, width))
        result = torch.empty(maps[0].shape, dtype=dtype)

        def one(start):
            band = slice(start, start + rows)
            parts = (each[:, band] for each in maps)
            result[:, band] = function(*parts, top + start, left)

        share(one, [(start,) for start in range(0, height, rows)])
        return result

    def forward(self, values, top=0, left=0):
        """Map pixel values to what the networks see.

        Parameters
        ----------
        values : torch.Tensor of shape (C, h, w)
            Pixel values.
        top, left : int, default=0
            Where in the image they are.

        Returns
        -------
        torch.Tensor of shape (C, h, w), float32
        """
        if self._have_defects:
            return torch.from_numpy(
                self._forward_there(values.cpu().numpy(), top, left)
            )
        return self._in_bands(self._forward, torch.float32, values, top=top, left=left)

    def _forward(self, values, top, left):
        values = (values.double() - self._low) / self._span
        if self._places is not None:
            values = values - self._of_places("pattern", values, top, left)
        if self._channels is not None:
            values = torch.stack(
                [c.stabilize(x) for c, x in zip(self._channels, values, strict=True)]
            )
        if self._places is not None:
            values = values / self._of_places("levels", values, top, left)
        if self._rotation is not None:
            values = torch.tensordot(self._rotation, values, dims=1)
        return values

    def backward(self, values, top=0, left=0, dtype=torch.float64):
        """Map denoised values back to pixel values.

        Parameters
        ----------
        values : torch.Tensor of shape (C, h, w)
            What the networks made.
        top, left : int, default=0
            Where in the image they are.
        dtype : torch.dtype, default=torch.float64
            Of the result.

        Returns
        -------
        torch.Tensor of shape (C, h, w)
        """
        return self._in_bands(self._backward, dtype, values, top=top, left=left)

    def _backward(self, values, top, left):
        values = values.double()
        if self._back is not None:
            values = torch.tensordot(self._back, values, dims=1)
        values = self._scaled(values, top, left)
        if self._places is not None:
            values = values + self._of_places("scene", values, top, left)
        values = self._low + self._span * values
        return values if self._shift is None else values + self._shift

    def backward_error(self, error, values, top=0, left=0, dtype=torch.float64):
        """Map standard errors of denoised values to those of pixel values.

        Parameters
        ----------
        error, values : torch.Tensor of shape (C, h, w)
            What the networks made.
        top, left : int, default=0
            Where in the image they are.
        dtype : torch.dtype, default=torch.float64
            Of the result.

        Returns
        -------
        torch.Tensor of shape (C, h, w)
        """
        maps = error, values
        return self._in_bands(self._backward_error, dtype, *maps, top=top, left=left)

    def _backward_error(self, error, values, top, left):
        values, error = values.double(), error.double()
        if self._back is not None:
            error = torch.tensordot(self._back**2, error**2, dims=1).sqrt()
            values = torch.tensordot(self._back, values, dims=1)
        above = self._scaled(values + error, top, left)
        return self._span / 2 * (above - self._scaled(values - error, top, left))

    def _scaled(self, values, top, left):
        """Stabilised channels (C, h, w) of the image to values in the scaled one."""
        if self._places is not None:
            values = values * self._of_places("levels", values, top, left)
        if self._channels is None:
            return values
        channels = zip(self._channels, values, strict=True)
        return torch.stack([c.unstabilize(x) for c, x in channels])

    def _of_places(self, name, values, top, left):
        part = (top, left, *values.shape[1:])
        return torch.stack(
            [self._tensor(getattr(p, name)(*part)) for p in self._places]
        )


class _Channel:
    """`n2d.noise.stabilize` and `unstabilize` for the noise of one channel."""

    def __init__(self, noise, device):
        self._curves = found = curves_of(noise)

        def tensor(values):
            return torch.tensor(values, dtype=torch.float64).to(device)

        self._table = found.table and tuple(tensor(part) for part in found.table)
        if found.correction is not None:
            self._knots, self._cubics = map(tensor, found.correction[:2])
            self._ends = [float(found.correction[0][i]) for i in (0, -1)]
        # Of the variance at the offset.
        self._v0 = found.read**2 + 0.375 * found.gain**2

    def stabilize(self, values):
        """Make the noise of deviation 1."""
        found = self._curves
        if self._table is not None:
            return _along(values, *self._table[:2])
        above = values - found.offset
        if self._v0 == 0:
            return above
        least, edge, at_edge, slope = found.tangent
        v = found.gain * above + self._v0
        result = 2 * above / (v.clamp(min=least).sqrt() + math.sqrt(self._v0))
        if found.gain:
            result = torch.where(v < least, at_edge + (above - edge) * slope, result)
        darkest, at_darkest, slope = found.dark
        if darkest > -math.inf:
            line = at_darkest + (above - darkest) * slope
            result = torch.where(above < darkest, line, result)
        return result

    def unstabilize(self, values):
        """Mean intensity of noisy pixels whose transforms have these means."""
        found = self._curves
        if self._table is not None:
            return _along(values, self._table[2], self._table[0])
        _, at_darkest, slope = found.dark
        explained = values.clamp(min=at_darkest)
        if found.gain == 0:
            result = explained * (found.read or 1.0)
        else:
            result = (explained * (found.gain / 4) + math.sqrt(self._v0)) * explained
            result = self._corrected(result, explained)
        if at_darkest > -math.inf:
            result = result + (values - explained) / slope
        return result + found.offset

    def _corrected(self, result, d):
        """The unbiased inverse, from the root undone."""
        found = self._curves
        if found.correction is None:
            _, edge, at_edge, slope = found.tangent
            line = edge + (d - at_edge) / slope
            return torch.where(d < at_edge, line, result) + found.gain / 4
        _, _, slope, (first_term, second_term) = found.correction
        first, last = self._ends
        inside = d.clamp(first, last)
        place = torch.searchsorted(self._knots, inside.contiguous(), right=True) - 1
        place = place.clamp(0, self._cubics.shape[1] - 1)
        x = inside - self._knots[place]
        correction = self._cubics[0][place]
        for coefficient in self._cubics[1:]:
            correction = correction * x + coefficient[place]
        inverse = 1 / (d.clamp(min=last) + 2 * math.sqrt(self._v0) / found.gain)
        tail = 0.25 + inverse * (first_term + inverse * second_term)
        correction = torch.where(d > last, tail, correction)
        result = result + found.gain * correction
        return torch.where(d < first, found.gain * slope * (d - first), result)


def _along(values, start, end):
    """Map values from one rising axis to another, straight on beyond the ends."""
    place = torch.searchsorted(start, values.contiguous(), right=True) - 1
    place = place.clamp(0, len(start) - 2)
    slope = (end[place + 1] - end[place]) / (start[place + 1] - start[place])
    return end[place] + (values - start[place]) * slope
