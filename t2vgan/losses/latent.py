"""Which noise made this clip? A generator that ignores its noise cannot have it guessed."""

from __future__ import annotations

from t2vgan.losses.play import Play
from t2vgan.shapes import Scalar


class Latent:
    """D and G: E‖z_k - q(G(s, z))‖² / k over the first k entries of z, which the critic guesses by q.

    The lower bound on the mutual information of noise and clip of InfoGAN (Chen et al. 2016, eq. 5) for a Gaussian of
    fixed width. Captions alone tell a generator so much that it maps each of them to one clip, and no critic that sees
    one clip per caption can object. D trains the guess on features that it does not bend for it.
    """

    needs_latents = True

    def discriminator(self, play: Play) -> Scalar:
        return self._error(play, detach=True)

    def generator(self, play: Play) -> Scalar:
        return self._error(play, detach=False)

    @staticmethod
    def _error(play: Play, *, detach: bool) -> Scalar:
        if play.z is None or not play.critic.latents:
            raise ValueError("latent: this critic guesses no noise; give it `latents`, e.g. 16")
        features = tuple(f.detach() for f in play.fake_features) if detach else play.fake_features
        guess = play.critic.guess(features)
        return (guess - play.z[:, : guess.shape[1]]).square().mean()
