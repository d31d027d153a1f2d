"""GRU layers side by side, with the gradient written out: PyTorch's numbers, sooner on a CPU.

A page that trains dozens of small recurrent networks spends its time in the loop over time.
Two things help. Networks that run side by side (the two streams of an encoder, and the independent
runs of an experiment) share each operation of the loop. And the backward pass does for all steps at
once whatever does not depend on another step: three operations remain in its loop.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


class _Recurrence(torch.autograd.Function):
    """The recurrent part of GRUs side by side; gates in PyTorch's order: reset, update, new.

    Axes are networks, time, batch, units. Independent runs (`torch.vmap`) are more networks.
    """

    @staticmethod
    def forward(asked, start, weight, bias):
        """Run over time, given what the input asks of the three gates."""
        nets, time, batch, width = asked.shape
        units = width // 3
        gates = torch.empty_like(asked)
        candidates = asked.new_empty(nets, time, batch, units)
        states = asked.new_empty(nets, time + 1, batch, units)
        states[:, 0] = start
        turned, offset = weight.transpose(1, 2), bias.unsqueeze(1)
        for t in range(time):
            before = states[:, t]
            recurrent = torch.baddbmm(offset, before, turned)
            switches, new = gates[:, t].split([2 * units, units], dim=-1)
            torch.add(asked[:, t, :, : 2 * units], recurrent[..., : 2 * units], out=switches)
            reset, update = switches.sigmoid_().split(units, dim=-1)
            candidates[:, t] = recurrent[..., 2 * units :]
            torch.addcmul(asked[:, t, :, 2 * units :], reset, candidates[:, t], out=new)
            torch.lerp(new.tanh_(), before, update, out=states[:, t + 1])
        return states, gates, candidates

    @staticmethod
    def setup_context(ctx, inputs, output):
        """Keep what the backward pass needs."""
        states, gates, candidates = output
        ctx.mark_non_differentiable(gates, candidates)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(states, gates, candidates, inputs[2])

    @staticmethod
    def backward(ctx, received, *_):
        """Walk back through time, then collect the gradients of the weights."""
        states, gates, candidates, weight = ctx.saved_tensors
        reset, update, new = gates.chunk(3, dim=-1)
        before = states[:, :-1]
        # How the gates answer to the state that they make, for all steps at once.
        to_new = (1 - new * new).mul_(1 - update)
        recurrent = gates.new_empty(*before.shape[:-1], 3, before.shape[-1])
        torch.mul(to_new, reset, out=recurrent[..., 2, :])
        torch.mul(recurrent[..., 2, :], candidates, out=recurrent[..., 0, :])
        recurrent[..., 0, :].mul_(1 - reset)
        torch.mul(before - new, update, out=recurrent[..., 1, :])
        recurrent[..., 1, :].mul_(1 - update)
        flat = recurrent.flatten(3)
        gradients = torch.empty_like(candidates)
        gradient = torch.zeros_like(states[:, 0])
        for t in reversed(range(before.shape[1])):
            own = torch.add(gradient, received[:, t + 1], out=gradients[:, t])
            recurrent[:, t].mul_(own.unsqueeze(-2))
            gradient = torch.bmm(flat[:, t], weight).addcmul_(own, update[:, t])
        asked = flat.clone()
        torch.mul(to_new, gradients, out=asked[..., 2 * before.shape[-1] :])
        rows = flat.flatten(1, 2)
        steps = before.flatten(1, 2)
        return asked, gradient + received[:, 0], rows.transpose(1, 2) @ steps, rows.sum(dim=1)

    @staticmethod
    def vmap(info, in_dims, *tensors):
        """Independent runs are more networks side by side."""
        runs = info.batch_size

        def joined(tensor, dim):
            each = tensor.movedim(dim, 0) if dim is not None else tensor.expand(runs, *tensor.shape)
            return each.flatten(0, 1)

        results = _Recurrence.apply(*map(joined, tensors, in_dims))
        return tuple(each.unflatten(0, (runs, -1)) for each in results), (0, 0, 0)


class GruLayer(nn.Module):
    """One layer of GRUs side by side, each with weights of its own.

    Args:
        features: size of the input.
        units: size of the state.
        nets: how many networks stand side by side.
    """

    def __init__(self, features: int, units: int, nets: int = 1):
        super().__init__()
        bound = 1 / math.sqrt(units)

        def draw(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(nets, 3 * units, *shape).uniform_(-bound, bound))

        self.input_weight, self.weight = draw(features), draw(units)
        self.input_bias, self.bias = draw(), draw()

    def forward(
        self,
        x: Float[Tensor, "nets time batch features"],
        start: Float[Tensor, "nets batch units"] | None = None,
    ) -> Float[Tensor, "nets time batch units"]:
        """States after each step.

        Args:
            x: input of each network.
            start: state before the first step; default zeros.

        Returns:
            The state after each step.

        Source: Cho et al. (2014), in PyTorch's form (the reset gate acts after the product).
        """
        asked = torch.baddbmm(
            self.input_bias.unsqueeze(1), x.flatten(1, 2), self.input_weight.transpose(1, 2)
        )
        if start is None:
            start = x.new_zeros(x.shape[0], x.shape[2], self.weight.shape[-1])
        asked = asked.unflatten(1, x.shape[1:3])
        return _Recurrence.apply(asked, start, self.weight, self.bias)[0][:, 1:]

    def undriven(
        self, start: Float[Tensor, "nets batch units"], steps: int
    ) -> Float[Tensor, "nets steps batch units"]:
        """States after each step where the input is always zero."""
        nets, batch, _ = start.shape
        asked = self.input_bias.view(nets, 1, 1, -1).expand(nets, steps, batch, -1)
        return _Recurrence.apply(asked, start, self.weight, self.bias)[0][:, 1:]

    def step(
        self,
        x: Float[Tensor, "nets batch features"],
        state: Float[Tensor, "nets batch units"],
    ) -> Float[Tensor, "nets batch units"]:
        """One step: the state after reading one frame."""
        asked = torch.baddbmm(self.input_bias.unsqueeze(1), x, self.input_weight.transpose(1, 2))
        recurrent = torch.baddbmm(self.bias.unsqueeze(1), state, self.weight.transpose(1, 2))
        reset, update, new = asked.chunk(3, dim=-1)
        own_reset, own_update, own_new = recurrent.chunk(3, dim=-1)
        new = torch.tanh(new + torch.sigmoid(reset + own_reset) * own_new)
        return torch.lerp(new, state, torch.sigmoid(update + own_update))
