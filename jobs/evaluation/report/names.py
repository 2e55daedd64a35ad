"""Arms and tasks by the names that a reader knows them by."""

TITLES = {
    "generation": "generating",
    "hard": "generating, hard",
    "editing": "editing",
    "hard_edits": "editing, hard",
    "mixtures": "mixtures of two",
}
NAMES = {
    "plain": "the content alone",
    "words": "the emotion named in the prompt",
    "cues": "light and weather that show it, in words",
    "oracle": "a whole scene that shows it, in words",
    "muse": "muse, tokens fitted once",
    "muse-from-words": "muse, each image optimised from its word",
    "muse-no-content": "... without the content term",
    "muse-no-when": "... without it, from the first step",
    "muse-no-which": "... by cross-entropy alone",
    "direction": "a direction in noise space",
    "best-of-n": "the best of several draws",
    "fk": "Feynman-Kac steering",
    "null": "the empty prompt optimised",
    "latent": "the latents optimised",
    "sdedit": "noise added, denoised under the words",
}
