"""What of this folder is no test: a fuzzer that needs a library of the extra soak."""

collect_ignore = ["fuzz_readers.py"]
