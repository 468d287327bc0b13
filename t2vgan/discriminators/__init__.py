"""Critics: `see(video) -> seen`, `features(seen, times)`, `judge(features, text) -> logits (b, n)`.

`see` is what a critic's fixed eyes make of the video (frozen features, a smaller picture): computed once per round and
shared by both players' steps. `features` is trained and costs most; `judge` weighs features against a caption, so a
second, wrong caption is almost free; `word_scores(features, text) -> (b, l)` does so word by word. `frames` is how many
frames of a clip a critic looks at (None: all of them) and `blind` says that it is never shown the caption.
"""

from t2vgan.discriminators.clip_level import ClipLevel
from t2vgan.discriminators.frame_level import FrameLevel
from t2vgan.discriminators.projected import Projected

DISCRIMINATORS = {"projected": Projected, "frame_level": FrameLevel, "clip_level": ClipLevel}
