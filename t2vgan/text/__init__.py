"""Caption -> tokens T, tags P, entities E, vectors V -> TextFeatures. The only place for spaCy and torchtext."""

from t2vgan.text.analysis import ENTITIES, TAGS, Analysis, analyse
from t2vgan.text.pipeline import TextPipeline
from t2vgan.text.recurrent import Recurrent
from t2vgan.text.vectors import WordVectors

TEXT_ENCODERS = {
    "recurrent": Recurrent,
}

__all__ = ["ENTITIES", "TAGS", "TEXT_ENCODERS", "Analysis", "TextPipeline", "WordVectors", "analyse"]
