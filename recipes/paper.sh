#!/bin/sh
# The paper's eight tasks on its own corpora, for those who own them, at the paper's size.
#
# command   sh recipes/paper.sh DATA [RUN]        DATA holds wsj, imagenet, coco, treebank and wmt, laid out as each
#                                                 file in recipes/paper says; links will do
# hardware  1.14 billion parameters: 18 GB for weights, gradients and Adam's moments, and up to 15 GB for a batch and
#           copies in bfloat16 (docs/scale.md); one GPU of 40 GB or more; 400 GB of disk for the encoded pictures (COCO's once for each caption), and memory for
#           WMT's text, which is read whole. Never run by us: nobody here owns the data
# time      unknown; the paper does not say how long its model was trained either
# scores    the paper's joint model: ImageNet 86 % top-5; English to German BLEU 21.2, to French 30.5; log-perplexity and
#           accuracy: speech 4.4, 41 %; parsing 0.15, 98 %
set -eu
data=$1
run=${2:-runs/paper}
cp -n recipes/paper/*.yaml "$data"
tasks=$(ls "$data"/*.yaml | paste -sd, -)
multimodel data check $(ls "$data"/*.yaml) --preset paper
multimodel train paper --tasks "$tasks" --steps 1000000 --out "$run"
multimodel evaluate "$run" --beams 4
multimodel report "$run"
