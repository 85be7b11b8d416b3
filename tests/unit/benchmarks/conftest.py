from tests.support.benchmarks import benchmarks_found

__all__ = ["benchmarks_found"]
