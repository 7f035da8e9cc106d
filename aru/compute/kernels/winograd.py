"""3 x 3 convolutions with a quarter to a half of the multiplications, by Winograd's minimal filtering (Lavin and Gray, 2016).

F(m, 3) computes m neighbouring outputs of a filter of three taps by m + 2 products instead of 3 m; inputs, taps and products
are transformed by small constant matrices, in the plane once along each axis. The products of all tiles of a batch with the
same place in their tiles form one matrix product over the channels. The arithmetic is exact but for rounding, which is about
ten times that of the direct sum.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import prod
from typing import Any

import torch

_ROWS = 256
"""Rows of a matrix product: fewer are slow, and with more the transformed images leave the cache. Measured."""

_POINTS = {3: (0, 1, -1, 2), 4: (0, 1, -1, 2, -2), 6: (0, 1, -1, 2, -2, Fraction(1, 2), Fraction(-1, 2))}
"""The points of F(m, 3); with infinity m + 2. The more of them, the larger the rounding."""


@dataclass(frozen=True)
class _Line:
    """The algorithm along one axis of n pixels, cut into T tiles of m outputs with a = m + 2 products each.

    Shape:
        scatter: (a T, n), inputs to the products' left factors; taps: (a, 3), the kernel to their right factors;
        gather: (a T, n), its transpose makes outputs of the products.
    """

    scatter: torch.Tensor
    taps: torch.Tensor
    gather: torch.Tensor

    @property
    def products(self) -> int:
        return self.taps.shape[0]

    @property
    def tiles(self) -> int:
        return self.scatter.shape[0] // self.products


def profits(pixels: int) -> bool:
    """Whether an axis of so many pixels takes at most two products a pixel, instead of three."""
    return pixels > 1 and len(_line(pixels).scatter) <= 2 * pixels


def tiles(images: torch.Tensor) -> int:
    """The tiles of a batch (B, C, H, W): transforming the kernel pays off from a few dozen on."""
    return len(images) * _line(images.shape[2]).tiles * _line(images.shape[3]).tiles


def convolve(images: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The convolution with stride 1 and a padding of 1, in float32 on the CPU; differentiable once.

    Shape:
        images: (B, C, H, W), H and W at least 2; weight: (O, C, 3, 3); result: (B, O, H, W), channels last in memory.
    """
    return _Winograd.apply(images, weight)


class _Winograd(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        lines = _line(images.shape[2]), _line(images.shape[3])
        taps = weight.permute(0, 2, 3, 1).reshape(len(weight), 9, -1)
        right = (_factors(lines) @ taps).transpose(0, 1)  # (products, O, C)
        result = images.new_empty(len(images), *images.shape[2:], len(weight)).permute(0, 3, 1, 2)
        left = []
        for part, out in zip(_parts(images, lines), _parts(result, lines), strict=True):
            factors = _scatter(part, lines[0].scatter, lines[1].scatter, lines)
            out.copy_(_gather(torch.bmm(factors, right.mT), lines[0].gather, lines[1].gather, lines, len(out)))
            if ctx.needs_input_grad[1]:
                left.append(factors)
        ctx.save_for_backward(right, *left)
        ctx.lines = lines
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        (right, *left), lines = ctx.saved_tensors, ctx.lines
        of_images = of_right = of_weight = None
        if ctx.needs_input_grad[0]:
            height, width = gradient.shape[2:]
            of_images = gradient.new_empty(len(gradient), height, width, right.shape[2]).permute(0, 3, 1, 2)
        if ctx.needs_input_grad[1]:
            of_right = right.new_empty(right.shape)
        for number, part in enumerate(_parts(gradient, lines)):
            products = _scatter(part, lines[0].gather, lines[1].gather, lines)
            if of_images is not None:
                out = _parts(of_images, lines)[number]
                out.copy_(_gather(torch.bmm(products, right), lines[0].scatter, lines[1].scatter, lines, len(out)))
            if of_right is not None:
                torch.baddbmm(of_right, products.mT, left[number], beta=min(number, 1), out=of_right)
        if of_right is not None:
            of_taps = _factors(lines).T @ of_right.transpose(0, 1)  # (O, 9, C)
            of_weight = of_taps.view(len(of_taps), 3, 3, -1).permute(0, 3, 1, 2)
        return of_images, of_weight


def _scatter(images: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, lines: tuple[_Line, _Line]) -> torch.Tensor:
    """(b, C, H, W) times a matrix along each axis: (products, tiles b, C)."""
    batch, channels, height, width = images.shape
    across = columns @ images.permute(2, 3, 0, 1).reshape(height, width, -1)
    across = across.view(height, lines[1].products, -1).transpose(0, 1)
    return (rows @ across).view(lines[1].products * lines[0].products, -1, channels)


def _gather(
    values: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, lines: tuple[_Line, _Line], batch: int
) -> torch.Tensor:
    """The transpose of `_scatter`: (products, tiles b, C) to (b, C, H, W)."""
    height, width = rows.shape[1], columns.shape[1]
    values = values.view(lines[1].products, len(rows), -1)
    across = values.new_empty(height, *values.shape[::2])  # (H, products, tiles of a row b C)
    for product, part in enumerate(values):
        torch.mm(rows.T, part, out=across[:, product])
    pixels = columns.T @ across.view(height, len(columns), -1)
    return pixels.view(height, width, batch, -1).permute(2, 3, 0, 1)


def _parts(images: torch.Tensor, lines: tuple[_Line, _Line]) -> tuple[torch.Tensor, ...]:
    """The batch in equal parts of about `_ROWS` tiles."""
    return images.chunk(max(1, round(len(images) * lines[0].tiles * lines[1].tiles / _ROWS)))


def _factors(lines: tuple[_Line, _Line]) -> torch.Tensor:
    """(products, 9): the transform of a kernel, its rows by the first line."""
    return torch.einsum("xi,yj->xyji", lines[1].taps, lines[0].taps).reshape(-1, 9)


@cache
def _line(pixels: int) -> _Line:
    if pixels in _PADDED:
        return _Line(*(torch.tensor(rows, dtype=torch.float32) for rows in _PADDED[pixels]))
    outputs = min(_POINTS, key=lambda m: (-(-pixels // m) * (m + 2), m))
    inputs_of, taps, outputs_of = _toom_cook(_POINTS[outputs])
    tiles = -(-pixels // outputs)
    scatter, gather = torch.zeros(2, outputs + 2, tiles, pixels, dtype=torch.float32)
    for tile in range(tiles):
        for place in range(outputs + 2):
            pixel = tile * outputs + place - 1
            if 0 <= pixel < pixels:
                scatter[:, tile, pixel] = inputs_of[:, place]
        for place in range(min(outputs, pixels - tile * outputs)):
            gather[:, tile, tile * outputs + place] = outputs_of[:, place]
    return _Line(scatter.flatten(0, 1), taps, gather.flatten(0, 1))


_PADDED = {
    2: (
        [[1.0, 1.0], [0.0, 1.0], [1.0, 0.0]],
        [[0.0, 1.0, 0.0], [0.0, -1.0, 1.0], [1.0, -1.0, 0.0]],
        [[1.0, 1.0], [1.0, 0.0], [0.0, 1.0]],
    ),
    3: (
        [[1.0, 1.5, 1.0], [1.0, -1.5, 1.0], [1.0, -0.5, -1.0], [1.0, 0.5, -1.0]],
        [[1 / 3, 0.5, 1 / 3], [-1 / 3, 0.5, -1 / 3], [1.0, 0.5, -1.0], [-1.0, 0.5, 1.0]],
        [[0.5, 0.75, 0.5], [0.5, -0.75, 0.5], [0.5, 0.25, -0.5], [0.5, -0.25, -0.5]],
    ),
}
"""By pixels: scatter, taps and gather of a row whose two neighbours are both padding, with a product less than F(m, 3).

Two pixels times taps (a, b, c) are a Toeplitz matrix times a vector. Of three pixels x, the sum of the outer outputs and the
part of the middle one that x0 + x2 gives need b and a + c alone, their difference and the rest b and a - c: with 9/8 of the
middle b in the first and -1/8 in the second, each is a pair of products.
"""


Rows = Sequence[int | Fraction]


def _toom_cook(points: tuple[int | Fraction, ...]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The transforms (a, a) of inputs, (a, 3) of taps and (a, m) of outputs from a - 1 points and infinity."""
    inputs: list[Rows] = []
    taps: list[Rows] = []
    outputs: list[Rows] = []
    for point in points:
        others = [other for other in points if other != point]
        scale = Fraction(prod(point - other for other in others))
        inputs.append([*_polynomial(others), 0])
        taps.append([point**power / scale for power in range(3)])
        outputs.append([point**power for power in range(len(points) - 1)])
    inputs.append(_polynomial(points))
    taps.append([0, 0, 1])
    outputs.append([0] * (len(points) - 2) + [1])
    return _matrix(inputs), _matrix(taps), _matrix(outputs)


def _matrix(rows: Sequence[Rows]) -> torch.Tensor:
    return torch.tensor([[float(value) for value in row] for row in rows], dtype=torch.float32)


def _polynomial(roots: Sequence[int | Fraction]) -> list[int | Fraction]:
    """The coefficients of the product of x - root, the lowest power first."""
    found: list[int | Fraction] = [1]
    for root in roots:
        found = [low - root * high for low, high in zip([0, *found], [*found, 0], strict=True)]
    return found
