#!/bin/sh
# Reference run: the quickstart with four times larger batches, 95 minutes of training instead of eleven.
#
# command   sh recipes/reference.sh [RUN]
# hardware  2 CPU cores, 4 GiB of memory
# time      about 105 minutes: data, 95 of training, evaluation
# scores    docs/results.md
set -eu
run=${1:-runs/reference}
multimodel data build mini8
multimodel train quickstart --minutes 95 --batch-cost 4096 --batch-examples 128 --learning-rate 0.002 --warm-up 200 \
    --rates.speech 0.75 --rates.imageclass 1 --rates.caption 1 --rates.parse 1.25 \
    --rates.en-de 1 --rates.de-en 1 --rates.en-fr 1 --rates.fr-en 1 --out "$run"
multimodel evaluate "$run" --decode 500
multimodel report "$run"
