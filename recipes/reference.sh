#!/bin/sh
# Reference run: the quickstart with 95 minutes of training instead of eleven.
#
# command   sh recipes/reference.sh [RUN]
# hardware  2 CPU cores, 4 GiB of memory
# time      about 105 minutes: data, 95 of training, evaluation
# scores    docs/results.md
set -eu
run=${1:-runs/reference}
multimodel data build mini8
multimodel train quickstart --minutes 95 --out "$run"
multimodel evaluate "$run" --decode 500
multimodel report "$run"
