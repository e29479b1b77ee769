#!/bin/sh
# Reference run: the quickstart with larger batches, dropout, more of images and trees, and 110 minutes of training.
#
# command   sh recipes/reference.sh [RUN]
# hardware  2 CPU cores, 5 GiB of memory
# time      about two hours: data, 110 minutes of training, evaluation
# scores    docs/results.md
set -eu
run=${1:-runs/reference}
multimodel data build mini8
multimodel train quickstart --minutes 110 --batch-cost 4096 --batch-examples 128 --model.dropout 0.1 \
    --rates.speech 0.4 --rates.imageclass 1.75 --rates.caption 0.5 --rates.parse 2 \
    --rates.en-de 0.75 --rates.de-en 0.75 --rates.en-fr 0.75 --rates.fr-en 0.75 --out "$run"
multimodel evaluate "$run" --decode 500
multimodel report "$run"
