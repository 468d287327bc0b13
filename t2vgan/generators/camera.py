"""Films a canvas: the last step of a generator, by which a whole clip pans and zooms."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2vgan.generators.blocks import Told
from t2vgan.shapes import TextFeatures

KNOTS = 8


class Camera(nn.Module):
    """Pans over and zooms into canvases that are larger than the frame, at a steady pace read from the content code.

    To move everything at once is one number here; a generator that has to move each thing by itself does not learn it.
    What is far moves less (parallax): each height of the frame follows a pan by its own share, also read from the
    content. The warp is differentiable in pace and picture (Jaderberg et al. 2015, section 3.3).
    """

    margin = 1.25  # canvas over frame
    reach = (0.2, 0.3)  # most of a pan, in frame widths per second, and of a zoom, in its logarithm per second

    def __init__(self, *, dim: int, text_dim: int) -> None:
        super().__init__()
        self.pace = Told(dim=dim, text_dim=text_dim, numbers=2)  # as shares of the reach
        self.near = Told(dim=dim, text_dim=text_dim, numbers=KNOTS)
        with torch.no_grad():  # shares from 0.08 at the top to 0.92 at the bottom
            self.near.of_content.bias.copy_(torch.linspace(-2.5, 2.5, KNOTS) / self.near.pace)

    def path(self, content: Tensor, text: TextFeatures, times: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Content `(b, dim)`, instants `(b, t)` to pan `(b, t)` in frame widths, log zoom `(b, t)`, shares `(b, k)`."""
        pace = torch.tanh(self.pace(content, text)) * content.new_tensor(self.reach, dtype=torch.float32)
        along = times - 1.0  # s from the middle of a usual clip
        return pace[:, :1] * along, pace[:, 1:] * along, self.near(content, text).sigmoid()

    def film(self, canvas: Tensor, path: tuple[Tensor, Tensor, Tensor], size: int) -> Tensor:
        """Canvases `(b, t, c, h, w)` to frames `(b, t, c, size, size)`; beyond the edges they go on as they end."""
        b, t = canvas.shape[:2]
        pan, zoom, shares = path
        rows = F.interpolate(shares[:, None], size=size, mode="linear", align_corners=True)  # (b, 1, s)
        at = (torch.arange(size, device=pan.device) + 0.5) * 2 / size - 1
        scaled = at * torch.exp(-zoom)[..., None]  # (b, t, s)
        x = scaled[:, :, None, :] + 2 * (pan[..., None] * rows)[..., None]
        y = scaled[..., None].expand_as(x)
        grid = torch.stack([x, y], -1) / self.margin
        flat = F.grid_sample(
            canvas.flatten(0, 1).float(), grid.flatten(0, 1), padding_mode="border", align_corners=False
        )
        return flat.unflatten(0, (b, t))
