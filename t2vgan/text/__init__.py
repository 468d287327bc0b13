"""Caption -> tokens T, tags P, entities E, vectors V -> TextFeatures. The only place for spaCy and torchtext."""

from t2vgan.text.analysis import ENTITIES, TAGS, Analysis, analyse
from t2vgan.text.bag_of_words import BagOfWords
from t2vgan.text.convolutional import Convolutional
from t2vgan.text.pipeline import TextPipeline
from t2vgan.text.recurrent import Recurrent
from t2vgan.text.vectors import WordVectors
from t2vgan.text.word_features import fit_words

TEXT_ENCODERS = {
    "recurrent": Recurrent,
    "bag_of_words": BagOfWords,
    "conv": Convolutional,
}

__all__ = ["ENTITIES", "TAGS", "TEXT_ENCODERS", "Analysis", "TextPipeline", "WordVectors", "analyse", "fit_words"]
