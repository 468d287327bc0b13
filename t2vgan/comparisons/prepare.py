"""What a study needs before anything is trained: captions analysed, word vectors, frames, the judge.

Captions and word vectors need spaCy, torchtext and gensim, and are small: `pack` puts them in an archive that is
unpacked where none of these is installed. Frames and the judge are made on any machine, the quicker on a large one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from t2vgan import assemble
from t2vgan.comparisons.study import Study
from t2vgan.config import ConfigError, Experiment
from t2vgan.system import written_whole


def worlds(study: Study) -> list[Experiment]:
    """One experiment for each data set, judge and prompts of the study's arms."""
    found = {}
    for arm in study.arms:
        e = study.experiment(arm)
        told = json.dumps([dataclasses.asdict(each) for each in (e.data, e.clip, e.evaluation, e.samples)])
        found.setdefault(told, e)
    return list(found.values())


def captions_of(experiment: Experiment) -> list[str]:
    """All captions that a run, and what is measured of it, can meet; no frame is drawn for them."""
    told = {caption for split, limit in limits(experiment) for caption in undrawn(experiment, split, limit).captions()}
    return sorted(told | set(experiment.samples.prompts))


def limits(experiment: Experiment) -> list[tuple[str, int | None]]:
    """The splits that a run and its measurement see, and how many of their clips."""
    return [
        ("train", None),
        ("val", experiment.data.val_clips),
        *((split, None) for split in assemble.splits_of(experiment)),
    ]


def undrawn(experiment: Experiment, split: str, limit: int | None = None) -> Any:
    """A split whose frames are drawn when they are asked for, and not before."""
    data = dataclasses.replace(experiment.data, cache=False, files=False)
    return assemble.datasets(dataclasses.replace(experiment, data=data), source="render")(split, limit)


def made_vectors(study: Study) -> dict[Path, str]:
    """The files of word vectors that arms read and that are made from the captions of training, and how."""
    read = {study.experiment(arm).text.vectors for arm in study.arms}
    return {Path(file): how for file, how in study.vectors.items() if file in read}


def make_vectors(study: Study, arms: Iterable[str] | None = None) -> None:
    """Makes those that are missing, of all `arms`; ConfigError for those that were made from other captions."""
    if arms is not None:
        study = dataclasses.replace(study, arms={arm: study.arms[arm] for arm in arms})
    wanted = made_vectors(study)
    if not wanted:
        return
    captions = undrawn(study.experiment(next(iter(study.arms))), "train").captions()
    for path, how in wanted.items():
        source = json.dumps({"made": how, "captions": hashlib.sha256("\n".join(captions).encode()).hexdigest()})
        note = source_of(path)
        if not path.is_file():
            from t2vgan.text.trained_vectors import MAKERS

            print(f"{path}: word vectors ({how}) from {len(captions):,} captions of training")
            MAKERS[how](captions, path)
            note.write_text(source + "\n")
        elif note.is_file() and note.read_text().strip() != source:
            raise ConfigError(
                f"{path}: made from other captions than those of {study.name}: delete it, or move it away"
            )


def source_of(path: Path) -> Path:
    """The note of what word vectors were made from."""
    return path.with_name(f"{path.name}.json")


def check_models(study: Study, arms: Iterable[str]) -> None:
    """ConfigError where an arm reads what a language model says of captions, and neither that nor its cache is here."""
    for arm in arms:
        experiment = study.experiment(arm)
        if experiment.text.sentences is None:
            continue
        try:
            assemble.text_pipeline(experiment, cache=assemble.cache_folder(experiment) / "text")
        except ValueError as error:
            others = " ".join(other for other in study.arms if other != arm)
            raise ConfigError(f"{arm}: {error}; or leave it out: --only {others}") from None


def make_captions(study: Study) -> None:
    """Analyses, and the vectors of their words. ConfigError, one line, where what that needs is not installed."""
    for experiment in worlds(study):
        told = captions_of(experiment)
        texts = [study.experiment(arm).text for arm in study.arms]
        for vectors, sentences in dict.fromkeys((text.vectors, text.sentences) for text in texts):
            text = dataclasses.replace(experiment.text, vectors=vectors, sentences=sentences)
            pipeline = assemble.text_pipeline(
                dataclasses.replace(experiment, text=text),
                cache=assemble.cache_folder(experiment) / "text",
            )
            try:
                pipeline.warm(told)
            except ValueError as error:
                if not isinstance(missing := error.__cause__, ImportError):
                    raise
                raise ConfigError(
                    f"{study.name}: {len(pipeline.analyser.missing(told)):,} of its {len(told):,} captions are not "
                    f"analysed, and {missing.name} is not installed here: where it is, python -m t2vgan.compare "
                    f"{study.folder.as_posix()} --pack FILE, and unpack the file here"
                ) from None


def make_frames(study: Study) -> None:
    """The frame caches of all splits, drawn on all cores, and the judge."""
    for experiment in worlds(study):
        make = assemble.datasets(experiment)
        for split, limit in limits(experiment):
            make(split, limit)
        assemble.judge(experiment)


def check_truth(study: Study) -> None:
    """ConfigError where no probe could judge the arms: figures of a study are its accuracies and distances."""
    for experiment in worlds(study):
        if not assemble.has_truth(experiment):
            raise ConfigError(
                f"{study.name}: arms are compared by what is known of their clips, and nothing is of those of "
                f"data.dataset {experiment.data.dataset.get('name')}: use savanna, or a manifest with attributes and "
                "evaluation.probe.split"
            )


def prepare(study: Study) -> None:
    """All of it, as far as it is not there yet."""
    check_truth(study)
    check_models(study, study.arms)
    make_vectors(study)
    make_captions(study)
    make_frames(study)


def lines_of(file: Path, captions: set[str]) -> dict[str, bytes]:
    """The records of these captions, by caption."""
    records = {json.loads(line)["caption"]: line for line in file.read_bytes().splitlines(keepends=True)}
    return {caption: line for caption, line in records.items() if caption in captions}


def pack(study: Study, file: Path) -> None:
    """Captions' analyses and word vectors as a .tar.gz, to be unpacked where `data` lies; makes what is missing.

    The judge goes along where there is one: another machine's would be another.
    """
    members: dict[str, bytes] = {}
    records: dict[str, dict[str, bytes]] = {}  # by file and caption: several worlds may share a file
    check_models(study, study.arms)
    make_vectors(study)
    make_captions(study)
    for path in made_vectors(study):
        members |= {each.as_posix(): each.read_bytes() for each in (path, source_of(path)) if each.is_file()}
    for experiment in worlds(study):
        folder, wanted = assemble.cache_folder(experiment) / "text", set(captions_of(experiment))
        inside = (Path("data") / folder.relative_to(experiment.data.root)).as_posix()
        for path in sorted(folder.glob("vectors-*.jsonl")):
            members[f"{inside}/{path.name}"] = path.read_bytes()
        for arm in study.arms:
            sentences = assemble.text_pipeline(study.experiment(arm), cache=folder).sentences
            if sentences and sentences.file and sentences.file.is_file():
                records.setdefault(f"{inside}/{sentences.file.name}", {}).update(lines_of(sentences.file, wanted))
        records.setdefault(f"{inside}/analysis.jsonl", {}).update(lines_of(folder / "analysis.jsonl", wanted))
        if (judge := assemble.judge_file(experiment)) and judge.is_file():
            members[(Path("data") / judge.relative_to(experiment.data.root)).as_posix()] = judge.read_bytes()
    members |= {name: b"".join(lines.values()) for name, lines in records.items()}
    with written_whole(file) as part, tarfile.open(part, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
