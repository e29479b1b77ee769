"""What a benchmark promises before any number of it is worth reading."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

from multimodel.benchmark import memory, startup, steps
from multimodel.benchmark.against_floors import passes
from multimodel.benchmark.blocks import Block, experts, pointwise, text_loss
from multimodel.benchmark.chart import chart
from multimodel.benchmark.comparison import PART as COMPARISON
from multimodel.benchmark.decoding import endless_model, write
from multimodel.benchmark.depthwise import FILTERS, channels_last_conv2d, grouped_conv1d, with_depthwise
from multimodel.benchmark.floors import Cost, Work, depthwise_operations, product_operations
from multimodel.benchmark.goals import judged
from multimodel.benchmark.models import text_batch, text_model
from multimodel.benchmark.page import page, part
from multimodel.benchmark.rates import Rates
from multimodel.benchmark.results import Case, Result, Row
from multimodel.benchmark.run import add
from multimodel.benchmark.setting import FULL, QUICK, Setting, plain, precision
from multimodel.benchmark.timing import WARM_UP, Spread, Times, in_turn, quotient, spread
from multimodel.benchmark.transformer import MISSING, active, feed_forward_width, marian, transformer_write
from multimodel.decoding import END, length_limits
from multimodel.layers.convolution import ConvStep
from multimodel.layers.depthwise import centre
from multimodel.parameters import active_parameters
from multimodel.presets import PRESETS, Preset

CPU = torch.device("cpu")
TINY = PRESETS["tiny"]


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    """Nothing is built in its data folder."""
    return Setting(device=CPU, preset="tiny", rounds=2, data_folder=tmp_path / "data", scale=QUICK)


def result(*rows: Row, drawn: str = "× floor", left_out: str = "") -> Result:
    return Result(title="Blocks", about="About them.", drawn=drawn, rows=list(rows), left_out=left_out)


def test_ways_take_turns_and_warm_up_is_not_counted() -> None:
    called: list[str] = []
    times = in_turn({"a": lambda: called.append("a"), "b": lambda: called.append("b")}, 3, CPU)
    assert called == ["a", "b"] * (WARM_UP + 3)
    assert {way: len(seconds) for way, seconds in times.seconds.items()} == {"a": 3, "b": 3}


def test_a_spread_is_the_median_between_the_quartiles() -> None:
    assert spread([5.0, 1.0, 3.0, 2.0, 4.0]) == Spread(2.0, 3.0, 4.0)
    assert spread([7.0]) == Spread(7.0, 7.0, 7.0)


def test_a_ratio_is_taken_round_by_round_so_that_drift_cancels() -> None:
    times = Times({"a": [2.0, 40.0, 9.0], "b": [1.0, 20.0, 3.0]})
    assert times.ratio("a", "b") == Spread(2.0, 2.0, 2.5)
    assert times.difference("a", "b") == [1.0, 20.0, 6.0]
    assert quotient([1.0, 4.0, 9.0], [2.0, 4.0, 6.0], 0.5).median == 0.5
    assert times.speed("b", 60).median == 20.0
    assert times.milliseconds("b", 2).median == 1500.0
    assert times.multiple("b", 2.0).median == 1.5


def test_a_floor_is_what_takes_longer_arithmetic_or_bytes() -> None:
    rates = Rates(matmul=100.0, copy=10.0)
    assert Cost(500.0, 20.0).floor(rates) == 5.0
    assert Cost(500.0, 80.0).floor(rates) == 8.0


def test_training_has_three_products_for_one_and_moves_gradients_too() -> None:
    work = Work(operations=100, inputs=10, outputs=20, weights=30, only_trained=7)
    assert work.forward(2) == Cost(100, 120)
    assert work.training(2) == Cost(321, 2 * (30 + 40 + 90))
    assert work.optimised(2, 5) == Cost(321, 320 + 5 * 28)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("kernel", "dilation"), [(3, 1), (5, 4), (15, 8)])
def test_taps_outside_the_sequence_are_no_arithmetic(kernel: int, dilation: int, causal: bool) -> None:
    middle = centre(kernel, causal)
    read = [position + (tap - middle) * dilation in range(10) for position in range(10) for tap in range(kernel)]
    assert depthwise_operations(3, 10, 7, kernel, dilation, middle) == 2 * 3 * 7 * sum(read)


@pytest.mark.parametrize(
    "make",
    [pointwise, text_loss, lambda preset, device: experts(4, 64, preset, device)],
    ids=["pointwise", "text", "experts"],
)
def test_the_arithmetic_of_a_block_is_what_torch_counts(make: Callable[[Preset, torch.device], Block]) -> None:
    block = make(TINY, CPU)
    block.module.train()
    assert block.work.operations + block.work.only_trained == product_operations(block.call)


def test_experts_that_nobody_can_ask_are_not_counted() -> None:
    few, many = (experts(count, 1, TINY, CPU) for count in (2, 4))
    gates = 2 * TINY.model.width * 2  # of two more experts: a gate and its noise
    assert many.work.weights == few.work.weights + gates
    assert {"forward", "forward + backward", "forward + backward + Adam"} == set(passes(few, TINY, CPU))


def test_the_plain_way_takes_the_plain_path() -> None:
    pytest.importorskip("numba")
    x, step = torch.randn(1, 4, 2), ConvStep(2, 2, 3, causal=True)

    def path() -> str:
        return step(x).grad_fn.name()

    assert path() != plain(path)()


@pytest.mark.parametrize(("kernel", "dilation", "causal"), FILTERS)
def test_all_ways_of_a_depthwise_convolution_agree(kernel: int, dilation: int, causal: bool) -> None:
    x, step = torch.randn(2, 20, 4), ConvStep(4, 4, kernel, dilation=dilation, causal=causal)
    for way in (grouped_conv1d, channels_last_conv2d):
        torch.testing.assert_close(with_depthwise(step, x, way), step(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("beams", [1, 3])
def test_an_untrained_model_writes_as_long_as_it_is_told(beams: int) -> None:
    model, batch = endless_model(TINY, CPU), text_batch(TINY, 2, 2, CPU)
    length = int(length_limits(model.encode(batch), None).max()) + 3
    written = write(model, batch, beams, length).symbols
    assert [[len(answer) for answer in answers] for answers in written] == [[length] * beams] * 2


def test_positions_differ_in_the_experts_that_they_choose() -> None:
    model, batch = text_model(TINY).eval(), text_batch(TINY, 4, 8, CPU)
    load = model(batch).use[0].load
    assert (load > 0).sum() > TINY.model.experts_used


def test_the_transformer_has_as_many_active_parameters() -> None:
    preset = PRESETS["quickstart"]
    with torch.device("meta"):
        ours, other = text_model(preset), marian(preset, feed_forward_width(preset))
    assert active(other) == pytest.approx(active_parameters(ours, preset.model.experts_used), rel=0.01)


def test_the_transformer_writes_as_long_as_it_is_told() -> None:
    model, batch = marian(TINY, 8).eval(), text_batch(TINY, 2, 3, CPU)
    written = transformer_write(model, batch, 5)
    assert written.shape == (2, 1 + 5)  # the first starts the decoder
    assert END not in written[:, 1:]


def test_without_the_extra_a_sentence_stands_for_the_transformer(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    found = COMPARISON.started({})
    for case in COMPARISON.cases(setting):
        add(case, found)
    assert (found.rows, found.left_out) == ([], MISSING)
    assert [case.name for case in memory.PART.cases(replace(setting, scale=FULL))] == ["ours", "plain"]


def test_floors_are_those_of_the_precision_that_this_device_multiplies_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for units, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr("multimodel.benchmark.setting.has_bfloat16", lambda device, units=units: units)
        assert precision(PRESETS["quickstart"], CPU) == expected
        assert precision(TINY, CPU) == torch.float32


def test_without_data_a_sentence_says_how_to_get_them(setting: Setting) -> None:
    found = steps.PART.started({})
    add(steps.PART.cases(setting)[0], found)
    assert found.rows == []
    assert found.left_out.endswith("Make the data with `multimodel data build mini8`.")


def test_a_part_that_is_left_out_is_not_tried_again() -> None:
    found = result(left_out="No.")
    add(Case("never", lambda: pytest.fail("measured")), found)
    assert found.left_out == "No."


def test_a_process_that_fails_says_why(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "false")
    found = memory.PART.started({})
    add(memory.PART.cases(setting)[0], found)
    assert found.left_out == "Memory of ours is left out: its process failed (exit code 1)."


def test_a_command_that_fails_says_why(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "false")
    found = startup.PART.started({})
    add(startup.PART.cases(setting)[0], found)
    assert found.left_out == "Start-up is left out: a process failed (exit code 1)."


def test_memory_is_printed_in_bytes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(memory.SUBJECTS, "ours", lambda *_: lambda: torch.ones(1 << 26, dtype=torch.uint8))
    memory.main("ours", "tiny", "cpu", str(torch.get_num_threads()), "1", "2")
    assert 60 << 20 < int(capsys.readouterr().out) < 100 << 20


def test_a_table_has_a_line_for_each_row_and_a_dash_where_nothing_was_measured() -> None:
    rows = Row("one", {"ms": Spread(1.0, 2.0, 3.25), "× floor": 1234.5}), Row("two", {"ms": 0.5, "way": "plain"})
    assert part(result(*rows), "charts/blocks.svg", {}).splitlines() == [
        "",
        "## Blocks",
        "",
        "About them.",
        "",
        "|  | ms | × floor | way |",
        "| --- | ---: | ---: | ---: |",
        "| one | 2 (1–3.25) | 1,234 | – |",
        "| two | 0.5 | – | plain |",
        "",
        "![× floor](charts/blocks.svg)",
    ]


def test_a_page_states_its_conditions_and_what_is_left_out() -> None:
    found = result(left_out="No data.")
    found.conditions = {"command": "multimodel bench", "threads": "2"}
    written = page({"blocks": found}, {})
    assert "- command: `multimodel bench`\n- threads: 2\n" in written
    assert written.endswith("About them.\n\nNo data.\n")


def test_a_chart_has_a_dot_for_each_ratio_and_there_is_none_without_any() -> None:
    rows = Row("one", {"× floor": Spread(0.5, 2.0, 3.0)}), Row("a < b", {"× floor": Spread(9.0, 9.0, 9.0)})
    drawing = chart(result(*rows))
    assert drawing is not None
    dots = ElementTree.fromstring(drawing.standalone()).findall(".//{*}circle")
    places = [float(dot.attrib["cx"]) for dot in dots]
    assert places == sorted(places)
    assert len(places) == 2
    assert chart(result(Row("one", {"× floor": 3.0}))) is None
    assert chart(result(Row("noise", {"× floor": Spread(-0.1, 1.0, 2.0)}))) is None
    assert chart(result(*rows, drawn="")) is None


def test_the_worst_row_stands_for_a_goal() -> None:
    rows = [Row(f"{name}: training", {"ours ÷ Transformer": ratio}) for name, ratio in (("small", 1.2), ("large", 0.9))]
    found = judged({"transformer": result(*rows)}).rows
    assert [(row.figures["reached"], row.figures["in"]) for row in found] == [("no", "large: training")]
    assert judged({"transformer": result(rows[0])}).rows[0].figures["reached"] == "yes"
    assert judged({"transformer": result(), "rates": result(*rows)}).rows == []
