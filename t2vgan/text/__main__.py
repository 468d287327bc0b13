"""What the text side makes of a prompt: tokens T, tags P, entities E, vectors V.

python -m t2vgan.text "A majestic lion stalks its prey across the golden savanna at sunset"
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from t2vgan.command import run_command
from t2vgan.text.analysis import Analysis, analyse
from t2vgan.text.vectors import WordVectors


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m t2vgan.text", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("prompt", help="the sentence, in quotes")
    parser.add_argument("--vectors", default="glove", help='"glove", or the path of a GloVe or word2vec file')
    parser.add_argument("--cache", type=Path, help="folder that keeps what was computed")
    parser.add_argument("--neighbours", type=int, default=4, help="nearest words to show for each word")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    args = parser.parse_args()
    if not args.prompt.strip():
        raise ValueError("the prompt is empty: write what the video shows, for example 'A lion runs'")
    if args.neighbours < 0:
        raise ValueError(f"--neighbours {args.neighbours}: how many words to show, at least 0")
    try:
        [analysis] = analyse([args.prompt], cache=args.cache / "analysis.jsonl" if args.cache else None)
    except ImportError as error:
        raise ValueError(f"{error.name} is not installed here: pip install {error.name}") from None
    described = describe(analysis, WordVectors(args.vectors, cache=args.cache), count=args.neighbours)
    if args.json:
        print(json.dumps(described, ensure_ascii=False, indent=2))
    else:
        show(described)


def describe(analysis: Analysis, vectors: WordVectors, *, count: int) -> dict[str, Any]:
    """Everything as plain values; `count` nearest words for each word."""
    found = vectors(list(analysis.words), lemmas=list(analysis.lemmas))
    parts = (analysis.words, analysis.lemmas, analysis.tags, analysis.entities, analysis.content, found)
    words = [
        {
            "word": word,
            "lemma": lemma,
            "tag": tag,
            "entity": entity,
            "content": content,
            "substitute": vector.source,
            "nearest": [near for near, _ in vectors.neighbours(word, count=count)] if vector.known else [],
        }
        for word, lemma, tag, entity, content, vector in zip(*parts, strict=True)
    ]
    return {
        "prompt": analysis.caption,
        "T": list(analysis.tokens),
        "P": [[word, tag] for word, tag in zip(analysis.words, analysis.tags, strict=True)],
        "E": [list(entity) for entity in analysis.named],
        "V": {"vectors": vectors.name, "shape": [len(found), vectors.dim]},
        "words": words,
    }


def show(described: dict[str, Any]) -> None:
    console = Console(highlight=False)
    words, numbers = described["V"]["shape"]
    lines = (
        "T  " + ", ".join(described["T"]),
        "P  " + " ".join(f"{word}/{tag}" for word, tag in described["P"]),
        "E  " + (", ".join(f"{name} {kind}" for name, kind in described["E"]) or "none"),
        f"V  {words} words x {numbers} numbers ({described['V']['vectors']})",
    )
    console.print("\n".join(lines), markup=False, soft_wrap=True)
    table = Table("word", "P", "E", "lemma", "nearest in V")
    for word in described["words"]:
        near = ", ".join(word["nearest"])
        if word["substitute"]:
            near = f"not in V, stands for it: {word['substitute']}" + (f"\n{near}" if near else "")
        cells = (word["word"], word["tag"], word["entity"], word["lemma"], near)
        table.add_row(*(escape(cell) for cell in cells), style="bold" if word["content"] else "dim")
    console.print(table)


if __name__ == "__main__":
    run_command(main)
