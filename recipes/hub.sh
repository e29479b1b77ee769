#!/bin/sh
# Six of the paper's tasks on free corpora from the Hugging Face hub and NLTK, in the place of those that cost money.
#
# command   pip install 'multimodel[hub]' nltk && python -m nltk.downloader treebank && sh recipes/hub.sh [RUN]
# hardware  2 CPU cores will do for the preset quickstart; for base, one GPU
# time      the downloads, about 10 GB, and then as long as --minutes says
# scores    none yet: the hub could not be reached from where this was written
set -eu
run=${1:-runs/hub}
tasks=$(ls recipes/hub/*.yaml | paste -sd, -)
multimodel train quickstart --tasks "$tasks" --minutes 110 --out "$run"
multimodel evaluate "$run"
multimodel report "$run"
