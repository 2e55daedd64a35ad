"""From a batch of requests to samples: source images, engines, verdicts and scores."""
