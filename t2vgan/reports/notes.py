"""What the page says beneath its headings."""

from __future__ import annotations

from t2vgan.reports.rows import VOID_NOTE

NOTES = {
    "overview": "The page in short. Above, the share of clips that show what their caption says of it; gap: held-out "
    "combinations less test, of the normalised shares.",
    "text": "R-precision: how often a clip fits its own caption better than the captions of up to 99 other clips "
    "(random), or than its own caption with one thing made untrue (hard). CLIPSIM: cosine of frames and caption in "
    "CLIP.",
    "swap": "A clip is made again from the same noise, for its caption with one attribute changed. Obeyed: the new "
    "clip shows the new value. Only: it does, and all other attributes look as before. Kept: of the clips in which "
    "another attribute was changed, those in which this one looks as before. 95 % intervals in brackets.",
    "attributes": "A classifier that was trained on real clips, and that no generator was trained with, reads each "
    "attribute that the caption names. Accuracy: it reads in the generated clip what the caption says. Ceiling: the "
    "same for real clips. Floor: real clips under the captions of other clips. Normalised: (accuracy - floor) / "
    f"(ceiling - floor), with its 95 % interval. {VOID_NOTE[0].upper()}{VOID_NOTE[1:]}.",
    "flow": "Optical flow has learned nothing, so no generator can have been tuned to it. Direction counts only in "
    "clips whose subject gets on.",
    "distances": "How far the generated clips are from real clips (the top of the page says which). Real clips: the "
    "same figure for as many real clips, which is what a perfect generator would get. Compare only figures of equal "
    "numbers of clips in equal features.",
    "motion": "Generated clips beside the real clips of the same captions.",
    "controls": "Can one trust these figures? Real clips were spoiled in one way each and measured as if a model had "
    "made them. The marked figure is made for that fault and has to differ from the first row.",
    "clips": "By the judge's opinion of how well they show their captions. The real clip has the same caption; what "
    "that does not name may be different.",
    "history": "Validations during training compare half of fewer clips with the other half, so their distances are "
    "larger than those above.",
}
