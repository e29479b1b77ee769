#!/bin/sh
# Reference run: the quickstart's model, all eight tasks, for an hour of training instead of eleven minutes.
#
# command   sh recipes/reference.sh [RUN]
# hardware  2 CPU cores, 4 GiB of memory
# time      about 70 minutes: data, 60 of training, evaluation
# scores    docs/results.md
set -eu
run=${1:-runs/reference}
multimodel data build mini8
multimodel train quickstart --minutes 60 --model.dropout 0.1 --out "$run"
multimodel evaluate "$run" --decode 500
multimodel report "$run"
