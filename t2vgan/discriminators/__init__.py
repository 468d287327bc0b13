"""Critics: `see(video) -> seen`, `features(seen, times)`, `judge(features, text) -> logits (b, n)`.

`see` is what a critic's fixed eyes make of the video (frozen features, a smaller picture): computed once per round and
shared by both players' steps. `features` is trained and costs most; `judge` weighs features against a caption, so a
second, wrong caption is almost free; `word_scores(features, text) -> (b, l)`, which not all have, does so word by word.
`frames` is how many frames of a clip a critic looks at (None: all of them) and `blind` says that it is never shown the
caption.
"""

from t2vgan.discriminators.clip_level import ClipLevel
from t2vgan.discriminators.digan import DiganImage, DiganMotion
from t2vgan.discriminators.dvdgan import DvdganSpatial, DvdganTemporal
from t2vgan.discriminators.frame_level import FrameLevel
from t2vgan.discriminators.mocogan import MocoganImage, MocoganVideo
from t2vgan.discriminators.projected import Projected
from t2vgan.discriminators.stylegan_v import StyleganV
from t2vgan.discriminators.tfgan import TfganImage, TfganVideo
from t2vgan.discriminators.tgan import TganVideo

DISCRIMINATORS = {
    "projected": Projected,
    "frame_level": FrameLevel,
    "clip_level": ClipLevel,
    "mocogan_image": MocoganImage,
    "mocogan_video": MocoganVideo,
    "tgan_video": TganVideo,
    "tfgan_image": TfganImage,
    "tfgan_video": TfganVideo,
    "dvdgan_spatial": DvdganSpatial,
    "dvdgan_temporal": DvdganTemporal,
    "stylegan_v": StyleganV,
    "digan_image": DiganImage,
    "digan_motion": DiganMotion,
}
