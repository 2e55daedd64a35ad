# %% Make a corpus from a list of prompts; the same call resumes it.
from pipeline import run

prompts = ["a dog on a beach", "a boat on a pond"]
rows = [{"prompt": prompt, "emotion": name} for prompt in prompts for name in ("awe", "fear")]
corpus = run(rows, "out/list", executor="local")

# %% What came of it: a DataFrame, and in a notebook a grid of pictures.
print(corpus.metadata[["prompt", "emotion", "status", "judge_confidence"]])
corpus.show()
