"""What the two networks of Noise2Detail minimize."""

from torch.nn.functional import mse_loss

from n2d.core.sampling import pair_downsample


def partial_denoising_loss(network, noisy):
    """Loss of stage 1, for a network f that predicts the noise.

    With g(x) = x - f(x), the sum of a residual term, 1/2 [ mse(D1 y, g(D2 y)) +
    mse(D2 y, g(D1 y)) ], and a consistency term, 1/2 [ mse(g(D1 y), D1 g(y)) +
    mse(g(D2 y), D2 g(y)) ], of the noisy image y (arXiv 2510.15611).

    Parameters
    ----------
    network : callable
        f; maps tensors (N, C, H, W) to the same shape.
    noisy : torch.Tensor of shape (N, C, H, W)
        y; H and W are even.

    Returns
    -------
    torch.Tensor of shape ()
        The loss.
    """
    return _pair_loss(lambda x: x - network(x), noisy, noisy)


def detail_loss(network, smooth, noisy):
    """Loss of stage 3, for a network h that predicts the image.

    The terms of `partial_denoising_loss`, with the smooth estimate d2 as input and the
    noisy image y as target: 1/2 [ mse(D1 y, h(D2 d2)) + mse(D2 y, h(D1 d2)) ] +
    1/2 [ mse(h(D1 d2), D1 h(d2)) + mse(h(D2 d2), D2 h(d2)) ] (arXiv 2510.15611).

    Parameters
    ----------
    network : callable
        h; maps tensors (N, C, H, W) to the same shape.
    smooth, noisy : torch.Tensor of shape (N, C, H, W)
        d2 and y; H and W are even.

    Returns
    -------
    torch.Tensor of shape ()
        The loss.
    """
    return _pair_loss(network, smooth, noisy)


def _pair_loss(predict, source, target):
    source1, source2 = pair_downsample(source)  # (N, C, H/2, W/2)
    target1, target2 = (
        (source1, source2) if target is source else pair_downsample(target)
    )
    # One after the other: both at once would leave the processor's cache.
    predicted1, predicted2 = predict(source1), predict(source2)
    whole1, whole2 = pair_downsample(predict(source))
    residual = (mse_loss(predicted2, target1) + mse_loss(predicted1, target2)) / 2
    consistency = (mse_loss(predicted1, whole1) + mse_loss(predicted2, whole2)) / 2
    return residual + consistency
