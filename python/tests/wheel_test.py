"""Builds the wheel, installs it into a fresh virtual environment, runs pytest and mypy there. For ctest.

usage: wheel_test.py PYTHON_FOLDER WORK_FOLDER. Exit code 77: skipped, with the reason (no venv module, no package index).
"""
import pathlib
import subprocess
import sys

SKIPPED = 77


def run(*command: object, **options: object) -> subprocess.CompletedProcess:
    return subprocess.run([str(c) for c in command], text=True, capture_output=True, **options)


def skip(reason: str) -> None:
    print("skipped:", reason)
    sys.exit(SKIPPED)


def must(what: str, done: subprocess.CompletedProcess) -> None:
    if done.returncode:
        print(f"{what} failed:\n{done.stdout[-4000:]}\n{done.stderr[-6000:]}")
        sys.exit(1)


def main() -> None:
    package, work = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    venv = work / "venv"
    python = venv / "bin" / "python"
    if not (work / "ready").exists():
        made = run(sys.executable, "-m", "venv", "--clear", venv)
        if made.returncode:
            skip("no virtual environment can be made (Debian: python3-venv): " + (made.stderr or made.stdout).strip().splitlines()[-1])
        requires = ["scikit-build-core==0.11.6", "nanobind==2.9.2", "pytest==9.2.0", "mypy==2.4.1"]
        got = run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1", "--timeout", "20", *requires)
        if got.returncode:
            lines = (got.stderr or got.stdout).strip().splitlines()
            skip("the package index did not give the build tools: " + (lines[-1] if lines else "no message"))
        (work / "ready").touch()
    must("building the wheel", run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-build-isolation", "--no-deps", "--force-reinstall", f"--config-settings=build-dir={work / 'wheel'}", package))
    tests = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", package / "tests", cwd=work)
    must("pytest", tests)
    # the stubs against the use that the tests make of them; cwd away from the sources, so that the installed package is seen
    must("mypy", run(python, "-m", "mypy", "--strict", "--cache-dir", work / "mypy", package / "tests" / "typed_use.py", cwd=work))
    print(tests.stdout.strip().splitlines()[-1])


if __name__ == "__main__":
    main()
