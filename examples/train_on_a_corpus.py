# %% A corpus in a training loop.
import glob

import torch
import webdataset

from pipeline import run

rows = [{"prompt": f"a dog {n}", "emotion": "awe"} for n in range(32)]
run(rows, "out/train", engine="null", executor="local", min_confidence=0.0)

# %% Batches of images (b, 3, h, w) in [0, 1] and of class indices.
shards = sorted(glob.glob("out/train/shards/*.tar"))
data = webdataset.WebDataset(shards, shardshuffle=False, empty_check=False)
pairs = data.decode("torchrgb").to_tuple("png", "cls").batched(8)
for images, labels in torch.utils.data.DataLoader(pairs, batch_size=None, num_workers=2):
    print(images.shape, labels)
