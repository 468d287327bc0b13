"""Every layout, written here exactly as it is published, comes out as the same kind of manifest."""

from __future__ import annotations

import csv
import io
import json
import tarfile
import warnings
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from t2vgan.datasets.importing import LAYOUTS, Options, layout_of
from t2vgan.datasets.importing.write import import_clips
from t2vgan.datasets.manifest import Manifest


def touch(*paths: Path) -> None:
    """Imports look whether videos are there, and never into them."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def imported(source: Path, tmp_path: Path, **options: Any) -> list[dict[str, Any]]:
    """The lines of the manifest; the layout is found out."""
    videos = options.pop("videos", source if source.is_dir() else source.parent)
    chosen = Options(videos, **options)
    import_clips(source, tmp_path / "out", layout=layout_of(source, chosen), options=chosen)
    header, *lines = map(json.loads, (tmp_path / "out" / "manifest.jsonl").read_text().splitlines())
    assert header == {"root": str(videos.resolve())}
    return lines


def left_out(tmp_path: Path) -> dict[str, str]:
    lines = (tmp_path / "out" / "left_out.jsonl").read_text().splitlines()
    return {entry["where"].rpartition("/")[2]: entry["reason"] for entry in map(json.loads, lines)}


def by_key(lines: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {line["key"]: line for line in lines}


def test_sidecar_at_any_depth(tmp_path: Path) -> None:
    source = tmp_path / "videos"
    touch(source / "lion.mp4", source / "deep" / "zebra.gif", source / "mute.webm", source / ".hidden.mp4")
    (source / "lion.txt").write_text("A lion\nA lion  walks\n")
    (source / "deep" / "zebra.txt").write_text("A zebra", encoding="utf-8-sig")
    lines = by_key(imported(source, tmp_path))
    assert {key: line["captions"] for key, line in lines.items()} == {
        "lion.mp4": ["A lion", "A lion walks"],
        "deep/zebra.gif": ["A zebra"],
    }
    assert left_out(tmp_path) == {"mute.webm": f"{source}/mute.txt: no such file"}


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    source = tmp_path / "videos"
    touch(*(source / split / "playing_guitar" / f"{split}.mp4" for split in ("train", "validate")))
    touch(source / "train" / "HighJump" / "x.avi")
    lines = by_key(imported(source, tmp_path, template="a video of {label}"))
    assert lines["train/HighJump/x.avi"]["captions"] == ["a video of high jump"]
    assert lines["validate/playing_guitar/validate.mp4"]["split"] == "val"
    assert lines["train/playing_guitar/train.mp4"]["attributes"] == {"class": "playing guitar"}


def test_kinetics_as_its_folders_are_published(tmp_path: Path) -> None:
    source = tmp_path / "kinetics"
    touch(source / "train" / "abseiling" / "0347ZoDXyP0_000095_000105.mp4")
    touch(source / "train" / "playing_guitar" / "-bwYZwnwb8E_000013_000023.mp4")
    touch(source / "val" / "air drumming" / "__NrybzYzUg_000415_000425.mp4")
    touch(source / "test" / "abseiling" / "3E7Jib8Yq5M_000118_000128.mp4")
    lines = by_key(imported(source, tmp_path))
    assert {key: (line["captions"], line["split"]) for key, line in lines.items()} == {
        "train/abseiling/0347ZoDXyP0_000095_000105.mp4": (["abseiling"], "train"),
        "train/playing_guitar/-bwYZwnwb8E_000013_000023.mp4": (["playing guitar"], "train"),
        "val/air drumming/__NrybzYzUg_000415_000425.mp4": (["air drumming"], "val"),
        "test/abseiling/3E7Jib8Yq5M_000118_000128.mp4": (["abseiling"], "test"),
    }


def test_folders_of_pictures(tmp_path: Path) -> None:
    for name in ("lion", "zebra"):
        (tmp_path / "frames" / name).mkdir(parents=True)
        for i in (1, 2, 10):
            Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / "frames" / name / f"f{i}.png")
    (tmp_path / "frames" / "lion.txt").write_text("A lion")
    (tmp_path / "frames" / "zebra" / "caption.txt").write_text("A zebra")
    lines = imported(tmp_path / "frames", tmp_path, fps=10.0)
    assert [(line["video"], line["captions"], line["fps"]) for line in lines] == [
        ("lion", ["A lion"], 10.0),
        ("zebra", ["A zebra"], 10.0),
    ]
    data = Manifest(root=tmp_path / "out", split="all", size=8, frames=3, duration_s=0.3)
    assert [int(frame[0, 0, 0]) for frame in data[0].video] == [1, 2, 10], "in the order of the numbers"


TABLE = [
    {"file": "a.mp4", "text": "a lion", "from": "0:01.5", "to": "3", "set": "train"},
    {"file": "b.mp4", "text": 'a "wild" zebra, far away', "from": "", "to": "", "set": "validation"},
    {"file": "b.mp4", "text": "une zèbre 🦓", "from": "", "to": "", "set": "validation"},
]


def write_table(path: Path) -> None:
    if path.suffix == ".parquet":
        import pyarrow as pa
        from pyarrow.parquet import write_table as write

        write(pa.Table.from_pylist(TABLE), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(TABLE))
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in TABLE), encoding="utf-8")
    else:
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.DictWriter(file, list(TABLE[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(TABLE)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".json", ".parquet"])
def test_tables_with_columns_by_name(tmp_path: Path, suffix: str) -> None:
    touch(tmp_path / "a.mp4", tmp_path / "b.mp4")
    table = tmp_path / f"list{suffix}"
    write_table(table)
    columns = {"video": "file", "caption": "text", "start": "from", "end": "to"}
    lines = by_key(imported(table, tmp_path, columns=columns))
    assert lines == {
        "a.mp4@1.5": {
            "video": "a.mp4", "captions": ["a lion"], "key": "a.mp4@1.5", "start": 1.5, "end": 3.0, "split": "train",
        },
        "b.mp4": {
            "video": "b.mp4", "captions": ['a "wild" zebra, far away', "une zèbre 🦓"], "key": "b.mp4", "split": "val",
        },
    }, "rows about one video are its captions"  # fmt: skip


def test_msrvtt(tmp_path: Path) -> None:
    touch(*(tmp_path / "TrainValVideo" / f"video{i}.mp4" for i in range(2)))
    info = {
        "info": {"contributor": "MSR", "version": "1.0"},
        "videos": [
            {
                "category": 9, "url": "https://www.youtube.com/watch?v=9lZi22qLlEo", "video_id": f"video{i}",
                "start time": 137.72, "end time": 149.44, "split": split, "id": i,
            }
            for i, split in enumerate(["train", "validate", "test"])
        ],
        "sentences": [
            {"caption": f"caption {n} of {i}", "video_id": f"video{i}", "sen_id": 10 * i + n}
            for i in range(3)
            for n in range(2)
        ],
    }  # fmt: skip
    (tmp_path / "train_val_videodatainfo.json").write_text(json.dumps(info))
    lines = by_key(imported(tmp_path / "train_val_videodatainfo.json", tmp_path))
    assert lines["video0"] == {
        "video": "TrainValVideo/video0.mp4", "captions": ["caption 0 of 0", "caption 1 of 0"], "key": "video0",
        "split": "train", "attributes": {"category": "9"},
    }, "the times are those of the web video: nothing is cut again"  # fmt: skip
    assert lines["video1"]["split"] == "val"
    assert [*left_out(tmp_path).values()] == [f"no such file in {tmp_path}"]


def test_msvd(tmp_path: Path) -> None:
    touch(tmp_path / "YouTubeClips" / "mv89psg6zh4_33_46.avi")
    table = tmp_path / "MSR Video Description Corpus.csv"
    head = "VideoID,Start,End,WorkerID,Source,AnnotationTime,Language,Description\n"
    row = "mv89psg6zh4,33,46,588702,unverified,55,{},{}\n"
    table.write_text(
        head
        + row.format("English", "A bird in a sink keeps getting under the running water.")
        + row.format("Slovene", "Papagaj se umiva pod tekočo vodo v lijaku.")
        + row.format("English", '"A bird, bathing."'),
        encoding="utf-8",
    )
    told = ["A bird in a sink keeps getting under the running water.", "A bird, bathing."]
    assert [(line["video"], line["captions"]) for line in imported(table, tmp_path)] == [
        ("YouTubeClips/mv89psg6zh4_33_46.avi", told)
    ]


def test_msvd_as_text(tmp_path: Path) -> None:
    touch(tmp_path / "YouTubeClips" / "-4wsuPCjDBc_5_15.avi")
    text = tmp_path / "AllVideoDescriptions.txt"
    text.write_text("# a comment\n\n-4wsuPCjDBc_5_15 a squirrel is eating a peanut\n-4wsuPCjDBc_5_15 a chipmunk eats\n")
    assert imported(text, tmp_path)[0]["captions"] == ["a squirrel is eating a peanut", "a chipmunk eats"]


@pytest.mark.parametrize("lists", [True, False])
def test_ucf101(tmp_path: Path, lists: bool) -> None:
    names = [f"ApplyEyeMakeup/v_ApplyEyeMakeup_g{g:02}_c01.avi" for g in range(1, 41)]
    names.append("HandstandPushups/v_HandStandPushups_g01_c01.avi")  # the spelling of the published files
    touch(*(tmp_path / "UCF-101" / name for name in names))
    if lists:
        folder = tmp_path / "UCF-101" / "ucfTrainTestlist"
        folder.mkdir()
        (folder / "trainlist01.txt").write_text("".join(f"{name} 1\r\n" for name in names[10:]))
        (folder / "testlist01.txt").write_text("".join(f"{name}\r\n" for name in names[:9]))
    lines = by_key(imported(tmp_path / "UCF-101", tmp_path))
    assert lines["v_ApplyEyeMakeup_g01_c01"]["captions"] == ["apply eye makeup"]
    assert lines["v_HandStandPushups_g01_c01"]["captions"] == ["hand stand pushups"]
    splits = [line.get("split") for line in lines.values()]
    if lists:
        assert {split: splits.count(split) for split in splits} == {"test": 9, "train": 29, "val": 2}
        assert [*left_out(tmp_path).values()] == ["in neither list of the first split"]
    else:
        assert set(splits) == {"train", "val", "test"} and len(lines) == 41


def test_kinetics(tmp_path: Path) -> None:
    touch(tmp_path / "train" / "abseiling" / "0347ZoDXyP0_000095_000105.mp4", tmp_path / "val" / "__x-_9_19.mp4")
    head, rows = "label,youtube_id,time_start,time_end,split\n", "abseiling,0347ZoDXyP0,95,105,{}\n"
    (tmp_path / "train.csv").write_text(head + rows.format("train") + '"bending, back",__x-,9,19,validate\n')
    lines = by_key(imported(tmp_path / "train.csv", tmp_path))
    assert lines["0347ZoDXyP0_95"]["video"] == "train/abseiling/0347ZoDXyP0_000095_000105.mp4"
    assert lines["__x-_9"]["captions"] == ["bending, back"] and lines["__x-_9"]["split"] == "val"
    assert not any("start" in line for line in lines.values()), "they are cut already"


def test_webvid(tmp_path: Path) -> None:
    touch(tmp_path / "039901_039950" / "21179416.mp4", tmp_path / "other" / "5629184.mp4")
    (tmp_path / "results_2M_train.csv").write_text(
        "videoid,contentUrl,duration,page_dir,name\n"
        "21179416,https://ak.picdn.net/shutterstock/videos/21179416/preview/stock-footage-aerial.mp4,PT00H00M11S,"
        "039901_039950,Aerial shot winter forest\n"
        "5629184,https://ak.picdn.net/shutterstock/videos/5629184/preview/x.mp4,PT00H00M29S,071501_071550,"
        '"Senior couple, looking through binoculars."\n'
    )
    lines = by_key(imported(tmp_path / "results_2M_train.csv", tmp_path))
    assert lines["21179416"]["video"] == "039901_039950/21179416.mp4"
    assert lines["5629184"] == {
        "video": "other/5629184.mp4", "captions": ["Senior couple, looking through binoculars."], "key": "5629184",
    }, "found by its number where it lies elsewhere"  # fmt: skip


def test_tgif(tmp_path: Path) -> None:
    touch(tmp_path / "gifs" / "tumblr_nlq83vFKUJ1uqk5w3o1_400.gif", tmp_path / "gifs" / "tumblr_x1_250.gif")
    address = "https://38.media.tumblr.com/9ead028ef62004ef6ac2b92e52edd210/tumblr_nlq83vFKUJ1uqk5w3o1_400.gif"
    (tmp_path / "tgif-v1.0.tsv").write_text(
        f'{address}\ta "man" is glaring, and someone with sunglasses appears.\n{address}\ta man glares\n'
        "https://33.media.tumblr.com/a/tumblr_x1_250.gif\ta cat tries to catch a mouse on a tablet\n"
    )
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "val.txt").write_text(f"{address}\n")
    (tmp_path / "splits" / "train.txt").write_text("https://33.media.tumblr.com/a/tumblr_x1_250.gif\n")
    lines = imported(tmp_path / "tgif-v1.0.tsv", tmp_path)
    told = ['a "man" is glaring, and someone with sunglasses appears.', "a man glares"]
    assert (lines[0]["captions"], lines[0]["split"], lines[1]["split"]) == (told, "val", "train")
    assert lines[0]["video"] == "gifs/tumblr_nlq83vFKUJ1uqk5w3o1_400.gif"


def test_panda70m_with_several_segments_of_one_video(tmp_path: Path) -> None:
    touch(tmp_path / "--_4oMYiBHQ.mp4", tmp_path / "cut" / "abc_1.mp4")
    columns = "videoID,url,timestamp,caption,matching_score"
    rows = [
        [
            "--_4oMYiBHQ", "https://www.youtube.com/watch?v=--_4oMYiBHQ",
            "[['0:00:09.009', '0:00:16.016'], ['0:01:20.080', '0:01:26.086']]",
            r"""['A man\'s hand waves.', "It's a dog, running."]""", "[0.44, 0.5]",
        ],
        [
            "abc", "https://www.youtube.com/watch?v=abc",
            "[['0:00:01.000', '0:00:02.000'], ['0:00:03', '0:00:04']]", "['first', 'second']", "[0.4, 0.4]",
        ],
    ]  # fmt: skip
    with (tmp_path / "panda70m_training_2m.csv").open("w", newline="") as file:
        csv.writer(file).writerows([columns.split(","), *rows])
    lines = by_key(imported(tmp_path / "panda70m_training_2m.csv", tmp_path))
    first, second = lines["--_4oMYiBHQ_0"], lines["--_4oMYiBHQ_1"]
    assert (first["start"], first["end"], first["captions"]) == (9.009, 16.016, ["A man's hand waves."])
    assert (second["start"], second["end"], second["captions"]) == (80.08, 86.086, ["It's a dog, running."])
    assert first["video"] == second["video"] == "--_4oMYiBHQ.mp4"
    assert lines["abc_1"]["video"] == "cut/abc_1.mp4" and "start" not in lines["abc_1"], "cut already"
    assert len(lines) == 3 and len(left_out(tmp_path)) == 1


def test_webdataset_tars_are_read_where_they_lie(tmp_path: Path, clips: Any) -> None:
    videos = clips.write(tmp_path / "made", 3, frames=8)
    source = tmp_path / "tars"
    source.mkdir()
    with tarfile.open(source / "00000.tar", "w") as tar:
        for i, video in enumerate(videos):
            told = [
                (f"{i:06}.mp4", video.read_bytes()),
                (f"{i:06}.txt", f"clip {i}".encode()),
                (f"{i:06}.json", json.dumps({"caption": "not this", "split": "train"}).encode()),
            ]
            for name, data in told:
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    lines = imported(source, tmp_path)
    assert [(line["key"], line["captions"]) for line in lines] == [(f"{i:06}", [f"clip {i}"]) for i in range(3)]
    assert sorted(line["split"] for line in lines) == ["train", "train", "val"], "each video on its own"
    data = Manifest(root=tmp_path / "out", split="all", size=16, frames=4, duration_s=0.3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sorted(clips.clip_of(data[i].video[0]) for i in range(3)) == [0, 1, 2]


def test_every_layout_is_tried_here() -> None:
    source = Path(__file__).read_text()
    tried = {"sidecar": "sidecar", "classes": "class", "pictures": "pictures", "table": "tables", "tars": "tars"}
    assert all(f"def test_{tried.get(name, name)}" in source or tried.get(name, name) in source for name in LAYOUTS)
