"""Losses by name. A term has `discriminator(play)`, `generator(play)` or both, each a scalar to be minimised."""

from t2vgan.losses.adversarial import Hinge, Minimax, Nonsaturating, Relativistic
from t2vgan.losses.energy import Energy
from t2vgan.losses.gradient_penalty import R1, R2
from t2vgan.losses.latent import Latent
from t2vgan.losses.mirror import Mirror
from t2vgan.losses.mismatch import Mismatch
from t2vgan.losses.steer import Steer
from t2vgan.losses.wasserstein import Wasserstein
from t2vgan.losses.words import Words

LOSSES = {
    "minimax": Minimax,
    "nonsaturating": Nonsaturating,
    "hinge": Hinge,
    "relativistic": Relativistic,
    "wasserstein": Wasserstein,
    "mismatch": Mismatch,
    "words": Words,
    "mirror": Mirror,
    "steer": Steer,
    "latent": Latent,
    "energy": Energy,
    "r1": R1,
    "r2": R2,
}
