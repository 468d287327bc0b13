"""One pair of ImageNet eyes for all tests: loading them takes a second, and nothing ever changes them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from t2vgan.discriminators import projected
from t2vgan.discriminators.imagenet_eyes import ImagenetEyes


@pytest.fixture(scope="session")
def eyes() -> ImagenetEyes:
    return ImagenetEyes()


@pytest.fixture(scope="module", autouse=True)
def shared_eyes(eyes: ImagenetEyes) -> Iterator[None]:
    class Shared(ImagenetEyes):
        def __new__(cls) -> ImagenetEyes:
            return eyes

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(projected, "ImagenetEyes", Shared)
        yield
