"""From a batch of requests to samples: source images, verdicts and scores."""
