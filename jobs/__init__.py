"""Everything that is submitted: clusters, training, evaluation, benchmarks and examples."""
