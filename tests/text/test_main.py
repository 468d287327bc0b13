import json
import subprocess
import sys
from pathlib import Path

PROMPT = "A majestic lion stalks its prey across the golden savanna at sunset"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "t2vgan.text", *arguments], capture_output=True, text=True, check=False
    )


def test_the_prompt_of_the_essay_as_a_table():
    result = run(PROMPT)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "T  majestic, lion, stalks, prey, golden, savanna, sunset"
    assert lines[1].startswith("P  A/DET majestic/ADJ lion/NOUN stalks/VERB its/PRON prey/NOUN")
    assert lines[2] == "E  lion ANIMAL, savanna PLACE"
    assert lines[3] == "V  12 words x 50 numbers (glove)"
    assert "elephant" in result.stdout and result.stderr == ""


def test_json_with_an_unknown_word_and_vectors_of_a_file(tmp_path: Path):
    path = tmp_path / "small.txt"
    path.write_text("lion 1 2 0\nrun 2 1 0\nthe 0 1 0\n")
    result = run("--json", "--vectors", str(path), "the lionn [runs] 🦁")
    assert result.returncode == 0, result.stderr
    described = json.loads(result.stdout)
    assert described["V"] == {"vectors": str(path), "shape": [4, 3]}
    stands = {word["word"]: word["substitute"] for word in described["words"]}
    assert stands == {"the": "", "lionn": "lion (spelling)", "runs": "run (form)", "🦁": "noise (unknown)"}
    assert described["words"][0]["nearest"] and described["words"][3]["nearest"] == []


def test_mistakes_are_one_line():
    for arguments in ((" ",), ("A lion", "--vectors", "/nowhere.txt"), ("A lion", "--neighbours", "-3")):
        result = run(*arguments)
        assert result.returncode == 2 and result.stdout == ""
        assert result.stderr.startswith("t2vgan: error: ") and result.stderr.count("\n") == 1
