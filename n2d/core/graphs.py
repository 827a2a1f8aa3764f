"""A loss and its gradients as one CUDA graph: many small kernels, launched at once.

A step on a small image takes a GPU less time than the processor needs to launch it.
"""

import torch

# Runs before the capture, for what libraries set up at the first ones.
_WARM_UP = 3


def gradients_of(loss, optimizer, *, replay=False):
    """Return a function that computes a loss, and leaves its gradients where they go.

    Parameters
    ----------
    loss : callable
        Returns the loss, or the parts of which it is the sum, for the weights as they
        are.
    optimizer : torch.optim.Optimizer
        Holds the weights.
    replay : bool, default=False
        Whether the loss does the same at every call, with tensors that stay where they
        are, and no randomness; then, on a CUDA device, it is captured once and
        replayed. Where that fails, it is computed as everywhere else.

    Returns
    -------
    callable
        Gives what `loss` does.
    """

    def compute():
        optimizer.zero_grad(set_to_none=True)
        value = loss()
        value.sum().backward()
        return value

    device = _cuda_device_of(optimizer)
    if replay and device is not None:
        try:
            return _with_its_gradients(_captured(compute, device), optimizer)
        # Whatever an operation, a driver or a version of PyTorch does not let be
        # captured: the training goes on without.
        except RuntimeError:
            torch.cuda.synchronize(device)
    return compute


def _cuda_device_of(optimizer):
    """Return the CUDA device where all weights are, or None."""
    groups = optimizer.param_groups
    devices = {weight.device for group in groups for weight in group["params"]}
    return devices.pop() if {d.type for d in devices} == {"cuda"} else None


def _with_its_gradients(replayed, optimizer):
    """Let a graph's gradients be the weights' again, whatever ran in between."""
    groups = optimizer.param_groups
    pairs = [(weight, weight.grad) for group in groups for weight in group["params"]]

    def compute():
        for weight, gradient in pairs:
            weight.grad = gradient
        return replayed()

    return compute


def _captured(compute, device):
    """Capture a computation; what is returned repeats it, in the same memory."""
    with torch.cuda.device(device):
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UP):
                compute()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # Other threads may allocate meanwhile, which is no business of this one.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            value = compute()

    def replayed():
        graph.replay()
        return value.detach()

    return replayed
