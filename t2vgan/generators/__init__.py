"""Generators: `(z, text, times) -> video`, and `attend(...) -> (video, maps)` where words are attended to.

`z_dim` is the size of the latent; `continuous` says that any instants can be rendered on their own, so that training
renders only the frames that a critic will see. Those with a `mirror` can show a clip from either side.
"""

from t2vgan.generators.continuous import Continuous
from t2vgan.generators.convlstm import ConvLstm
from t2vgan.generators.digan import Digan
from t2vgan.generators.dvdgan import DvdGan
from t2vgan.generators.mocogan import Mocogan
from t2vgan.generators.stylegan_v import StyleganV
from t2vgan.generators.tfgan import Tfgan
from t2vgan.generators.tgan import Tgan

GENERATORS = {
    "continuous": Continuous,
    "convlstm": ConvLstm,
    "mocogan": Mocogan,
    "tgan": Tgan,
    "tfgan": Tfgan,
    "dvdgan": DvdGan,
    "stylegan_v": StyleganV,
    "digan": Digan,
}
