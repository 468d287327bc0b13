"""Generators: `(z, text, times) -> video`, and `attend(...) -> (video, maps)` where words are attended to.

`z_dim` is the size of the latent; `continuous` says that any instants can be rendered on their own, so that training
renders only the frames that a critic will see. Those with a `mirror` can show a clip from either side.
"""

from t2vgan.generators.continuous import Continuous
from t2vgan.generators.convlstm import ConvLstm

GENERATORS = {"continuous": Continuous, "convlstm": ConvLstm}
