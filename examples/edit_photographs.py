# %% Edit photographs: each with a caption of what it shows, toward two emotions.
from PIL import Image

from manifests import EXAMPLES
from pipeline import run

photograph = Image.open(EXAMPLES / "images" / "snowy-mountain.png")
rows = [
    {"prompt": "a christmas tree on a snowy mountain", "image": photograph, "emotion": name}
    for name in ("contentment", "fear")
]
corpus = run(rows, "out/edits", executor="local", min_source_similarity=0.7)

# %% How much of the photograph is left, by CLIP and by structure.
print(corpus.metadata[["emotion", "status", "source_similarity", "source_ssim"]])
