"""The recipe for Slurm, run with programs in the place of the cluster's that write down how they were called."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from torch.distributed.run import get_args_parser

from multimodel import cli

RECIPE = Path(__file__).parent.parent / "recipes" / "slurm.sh"
NOTE = f"""#!{sys.executable}
import json, os, sys
with open(os.environ["NOTES"], "a") as notes:
    notes.write(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]) + "\\n")
"""
RUN_REST = "os.execvp(sys.argv[1], sys.argv[1:])\n"
RUN_WORKER = "os.execvp('python', ['python', *sys.argv[sys.argv.index('-m'):]])\n"
HOSTS = "if 'hostnames' in sys.argv: print('first\\nsecond')\n"
UNTIL_TERM = """import signal
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
print("ready", flush=True)
signal.pause()
"""


@pytest.fixture
def cluster(tmp_path: Path) -> dict[str, str]:
    """The environment of a job of two nodes; `srun` runs its command here, `torchrun` one process."""
    for name, more in {"srun": RUN_REST, "torchrun": RUN_WORKER, "scontrol": HOSTS, "python": ""}.items():
        write_program(tmp_path / "bin" / name, NOTE + more)
    return {
        **os.environ,
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "NOTES": str(tmp_path / "notes"),
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_GPUS_ON_NODE": "4",
    }


def write_program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def calls(environment: dict[str, str], program: str) -> list[list[str]]:
    """The words of each call of a program."""

    lines = map(json.loads, Path(environment["NOTES"]).read_text().splitlines())
    return [line[1:] for line in lines if line[0] == program]


def ended(environment: dict[str, str], *words: str) -> int:
    """The exit code of a job that nobody stops."""
    return subprocess.run(["bash", RECIPE, *words], env=environment, timeout=60, check=False).returncode


def stopped(environment: dict[str, str], *words: str) -> int:
    """The exit code of a job that is told to stop once its processes are there."""
    with subprocess.Popen(["bash", RECIPE, *words], env=environment, stdout=subprocess.PIPE, text=True) as job:
        assert job.stdout is not None
        assert job.stdout.readline() == "ready\n"
        job.send_signal(signal.SIGTERM)
        return job.wait(60)


def test_the_recipe_is_bash_and_tells_its_command_cost_and_scores() -> None:
    subprocess.run(["bash", "-n", RECIPE], check=True)
    text = RECIPE.read_text()
    for word in ("command", "hardware", "time", "scores"):
        assert f"\n# {word} " in text
    directives = [line for line in text.splitlines() if line.startswith("#SBATCH")]
    assert text.splitlines()[1 : 1 + len(directives)] == directives, "sbatch reads them only before the first command"
    assert any("--signal=B:TERM@" in line for line in directives)
    assert "#SBATCH --requeue" in directives


def test_every_process_trains_the_preset_with_the_given_options(cluster: dict[str, str], tmp_path: Path) -> None:
    run = str(tmp_path / "my run")
    assert ended(cluster, run, "tiny", "--tasks", "a.yaml,b.yaml", "--steps", "9") == 0
    given = ["tiny", "--tasks", "a.yaml,b.yaml", "--steps", "9"]
    (words,) = calls(cluster, "python")
    assert words == ["-m", "multimodel", "train", *given, "--out", run, "--start-or-resume"]
    assert ["requeue", "7"] not in calls(cluster, "scontrol")


def test_torchrun_understands_its_words_and_meets_at_the_first_node(cluster: dict[str, str], tmp_path: Path) -> None:
    assert ended({**cluster, "SLURM_RESTART_COUNT": "3"}, str(tmp_path / "run"), "tiny") == 0
    (words,) = calls(cluster, "torchrun")
    options = get_args_parser().parse_args(words)
    assert (options.nnodes, options.nproc_per_node, options.module) == ("2", "4", True)
    assert (options.rdzv_backend, options.rdzv_endpoint, options.rdzv_id) == ("c10d", "first:29500", "7-3")
    assert options.max_restarts > 0


def test_a_stopped_job_ends_its_processes_and_queues_again(cluster: dict[str, str], tmp_path: Path) -> None:
    write_program(tmp_path / "bin" / "srun", NOTE + UNTIL_TERM)
    assert stopped(cluster, str(tmp_path / "run"), "tiny") == 0
    assert calls(cluster, "scontrol")[-1] == ["requeue", "7"]


def test_a_run_that_ends_while_it_is_stopped_does_not_queue_again(cluster: dict[str, str], tmp_path: Path) -> None:
    write_program(tmp_path / "bin" / "srun", NOTE + UNTIL_TERM.replace("143", "0"))
    assert stopped(cluster, str(tmp_path / "run"), "tiny") == 0
    assert ["requeue", "7"] not in calls(cluster, "scontrol")


def test_a_failure_is_one_and_does_not_queue_again(cluster: dict[str, str], tmp_path: Path) -> None:
    write_program(tmp_path / "bin" / "python", NOTE + "sys.exit(3)\n")
    assert ended(cluster, str(tmp_path / "run"), "tiny") == 3
    assert ["requeue", "7"] not in calls(cluster, "scontrol")


def test_train_has_the_options_that_the_recipe_gives(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    told = capsys.readouterr().out
    for option in ("--out", "--start-or-resume", "--tasks", "--batch-cost", "--steps", "--minutes"):
        assert option in told
        assert option in RECIPE.read_text()
