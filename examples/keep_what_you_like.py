# %% Choose samples by your own eyes or by a rule: another corpus, without a model.
from pipeline import run

rows = [{"prompt": f"a dog {n}", "emotion": "awe"} for n in range(12)]
corpus = run(rows, "out/all", engine="null", executor="local")

# %% Keys that you saw in `muse-batch view`, or in a notebook.
unwanted = [sample.key for sample in corpus if sample.metadata["row"] % 2]
picked = corpus.refilter("out/picked", dict.fromkeys(unwanted, "reject"), min_confidence=0.6)
print(corpus, picked, sep="\n")
