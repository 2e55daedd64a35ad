"""`python -m jobs.benchmark`."""

from jobs.benchmark.benchmark import main

if __name__ == "__main__":
    main()
