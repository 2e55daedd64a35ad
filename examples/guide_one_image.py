# %% The method by itself, in the conventions of diffusers.
import torch

from muse import Method, MusePipeline
from muse.mini import WEIGHTS

pipe = MusePipeline.from_pretrained(judge=WEIGHTS / "judge", method=Method(steps=10))
mood = {"awe": 0.6, "fear": 0.4}
output = pipe("a house in a forest", emotion=mood, generator=torch.Generator().manual_seed(1))

# %% The picture, when guidance began, and what an independent classifier sees.
output.images[0].save("house.png")
print(output.traces[0].start_step, output.confidences[0], output.judged[0])
