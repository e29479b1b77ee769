"""The Penn Treebank: sections, and trees as evalb expects them."""

from pathlib import Path

import pytest
from corpora import MILL, TREEBANK, column, splits, whole, write

from multimodel.errors import InputError
from multimodel.sources.rows import Rows
from multimodel.trees import read_tree, write_tree
from multimodel.trees import words as words_of


def test_sections_become_splits(tmp_path: Path) -> None:
    write(tmp_path, TREEBANK)
    found = splits("treebank", tmp_path)
    assert {split: len(rows) for split, rows in found.items()} == {"train": 3, "dev": 1, "test": 1}
    assert found["train"].columns == ("sentence", "tree")
    assert column(found["train"], "sentence")[1:] == ["Ms. Vale said to sell the mill .", "Hardly ."]
    assert found["train"].where(2) == f"{tmp_path}/wsj/21/wsj_2100.mrg, line 12"


@pytest.mark.parametrize("place", ["wsj", "parsed/mrg/wsj", "combined/wsj", "WSJ"])
def test_the_treebank_is_found_in_its_usual_places(tmp_path: Path, place: str) -> None:
    write(tmp_path, {f"{place}/02/WSJ_0201.MRG" if place == "WSJ" else f"{place}/02/wsj_0201.mrg": MILL})
    assert len(splits("treebank", tmp_path)["train"]) == 1
    assert len(splits("treebank", tmp_path / place)["train"]) == 1


def test_files_without_sections_are_not_divided(tmp_path: Path) -> None:
    write(tmp_path, {"combined/wsj_0001.mrg": MILL, "combined/wsj_0002.mrg": MILL + MILL, "combined/README": "(free"})
    assert len(whole("treebank", tmp_path)) == len(whole("treebank", tmp_path / "combined")) == 3


def test_sections_that_belong_to_no_split_alone_are_refused(tmp_path: Path) -> None:
    write(tmp_path, {"wsj/24/wsj_2400.mrg": MILL})
    with pytest.raises(InputError, match="none of the sections 02 to 23"):
        splits("treebank", tmp_path)


def trees_of(folder: Path, text: str | bytes) -> Rows:
    write(folder, {"wsj_0001.mrg": text})
    return whole("treebank", folder)


PREPARED = {
    "functional tags, indices, and constituents that traces leave empty": (
        MILL,
        "(S (NP (NNP Ms.) (NNP Vale)) (VP (VBD said) (SBAR (S (VP (TO to) (VP (VB sell) "
        "(NP (DT the) (NN mill))))))) (. .))",
    ),
    "a gap index and a constituent emptied two levels up": (
        "( (S (NP-SBJ=2 (NNS Mills)) (VP (VBP close) (SBAR-ADV (WHADVP-3 (-NONE- 0)) (S (-NONE- *T*-3))))))",
        "(S (NP (NNS Mills)) (VP (VBP close)))",
    ),
    "a phrase around a phrase stays when the trace beside it goes": (
        "( (NP (NP (NN rain)) (SBAR (-NONE- *ICH*-1))))",
        "(NP (NP (NN rain)))",
    ),
    "brackets in words": (
        "( (PRN (-LRB- -LRB-) (NP (NN dam)) (-RRB- -RCB-) (-RRB- -RRB-)))",
        "(PRN (-LRB- -LRB-) (NP (NN dam)) (-RRB- -RCB-) (-RRB- -RRB-))",
    ),
    "tags with signs of their own, and two labels in one": (
        "( (S (NP-SBJ (PRP$ its) (NN`` x)) (ADVP|PRT-CLR (JJ|RB on)) ('' '') (: --) (# #) ($ $)))",
        "(S (NP (PRP$ its) (NN`` x)) (ADVP|PRT (JJ|RB on)) ('' '') (: --) (# #) ($ $))",
    ),
    "escaped signs": ("( (NP (CD 1\\/2) (SYM \\*)))", "(NP (CD 1\\/2) (SYM \\*))"),
    "one word": ("( (INTJ (UH Yes)))", "(INTJ (UH Yes))"),
    "one word without a constituent": ("( (UH Yes))", "(S (UH Yes))"),
    "no outer bracket": ("(S (NP-SBJ (NNP Bo)) (VP (VBZ is)))", "(S (NP (NNP Bo)) (VP (VBZ is)))"),
    "an outer bracket without a space": ("((S (NP-SBJ (NNP Bo)) (VP (VBZ is))))", "(S (NP (NNP Bo)) (VP (VBZ is)))"),
    "two trees in one outer bracket": ("( (NP (NN one)) (NP (NN two)))", "(TOP (NP (NN one)) (NP (NN two)))"),
}


@pytest.mark.parametrize("case", PREPARED)
def test_trees_are_prepared_as_evalb_expects(tmp_path: Path, case: str) -> None:
    given, expected = PREPARED[case]
    rows = trees_of(tmp_path, given)
    assert column(rows, "tree") == [expected]
    assert rows.cell(0, "sentence") == " ".join(words_of(read_tree(expected)))
    assert write_tree(read_tree(expected)) == expected


def test_brackets_are_themselves_in_the_sentence(tmp_path: Path) -> None:
    rows = trees_of(tmp_path, "( (PRN (-LRB- -LRB-) (NP (NN dam)) (-RRB- -RRB-)))")
    assert rows.cell(0, "sentence") == "( dam )"


def test_trees_of_traces_alone_are_left_out(tmp_path: Path) -> None:
    rows = trees_of(tmp_path, MILL + "( (S (NP-SBJ (-NONE- *)) (VP (-NONE- *?*))))\n( (NP (NN rain)))\n")
    assert column(rows, "sentence") == ["Ms. Vale said to sell the mill .", "rain"]
    assert rows.where(1).endswith("line 13")


@pytest.mark.parametrize("broken", ["( (S (NP (NN dog)) (VP (VBZ is))\n", "( (NP (NN dog))))\n", "NN dog) ))\n"])
def test_a_broken_tree_spoils_no_other(tmp_path: Path, broken: str) -> None:
    files = {"wsj_0001.mrg": MILL, "wsj_0002.mrg": broken + MILL + "( (NP (NN rain)))"}
    write(tmp_path, files)
    rows = whole("treebank", tmp_path)
    assert len(rows) == 4
    assert [rows.cell(row, "sentence") for row in (0, 2, 3)] == [*["Ms. Vale said to sell the mill ."] * 2, "rain"]
    with pytest.raises(InputError, match="no bracketed tree"):
        rows.cell(1, "tree")


def test_a_tree_that_is_not_utf_8_is_damaged(tmp_path: Path) -> None:
    rows = trees_of(tmp_path, b"( (NP (NN caf\xe9)))\n( (NP (NN rain)))")
    with pytest.raises(InputError, match="not UTF-8"):
        rows.cell(0, "tree")
    assert rows.cell(1, "tree") == "(NP (NN rain))"
