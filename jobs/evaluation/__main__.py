"""`python -m jobs.evaluation`."""

from jobs.evaluation.evaluate import main

if __name__ == "__main__":
    main()
