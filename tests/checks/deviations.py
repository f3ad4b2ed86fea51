#!/usr/bin/env python3
"""deviations.py [ROOT]: the README's table of differences from Node is what the tests show.

Each `because: ROW -- WHY` of tests/conformance/expected is a row of the table with the same reason,
and each row is shown by such data or by the test which tests/conformance/deviations names.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
FOLDER = ROOT / "tests/conformance"
HEADING = "| where | Node | weft | why |"


def read_table():
    """Returns row -> reason: the first and the last cell of each row of the README's table."""
    _, heading, rest = (ROOT / "README.md").read_text().partition(HEADING)
    if not heading:
        sys.exit(f"README.md: no table {HEADING}")
    rows = {}
    for line in rest.splitlines()[2:]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        rows[cells[0]] = cells[-1]
    return rows


def read_reasons():
    """Yields (name, row, why) for each reason in the data."""
    for path in sorted((FOLDER / "expected").iterdir()):
        for row, why in re.findall(r"^because: (.*) -- (.*)$", path.read_text(), re.M):
            yield path.stem, row, why


def read_tests():
    """Yields (row, test, case) for each line of the list."""
    for line in (FOLDER / "deviations").read_text().splitlines():
        if line and not line.startswith("#"):
            yield line.split(" -- ")


def has_case(test, case):
    """Whether the test file has a test case of this name, on however many lines."""
    path = ROOT / "tests" / f"{test}_test.cpp"
    if not path.exists():
        return False
    text = re.sub(r'"\s*\n\s*"', "", path.read_text())
    return re.search(r'TEST_CASE\w*\([^"]*"' + re.escape(case) + '"', text) is not None


def main():
    table = read_table()
    problems = []
    shown = {}
    for name, row, why in read_reasons():
        shown[row] = f"the data of {name}"
        if row not in table:
            problems.append(f"README.md has no row '{row}', which explains {name} ({why})")
        elif table[row] != why:
            problems.append(f"README.md: '{row}': the reason is '{table[row]}', in {name} '{why}'")
    for row, test, case in read_tests():
        if row not in table:
            problems.append(f"deviations: README.md has no row '{row}'")
        if row in shown:
            problems.append(f"deviations: '{row}' is shown by {shown[row]} already")
        if not has_case(test, case):
            problems.append(f"deviations: '{row}': {test} has no test case '{case}'")
        shown[row] = test
    problems.extend(f"README.md: nothing shows '{row}'" for row in table if row not in shown)
    for problem in problems:
        print(problem)
    print(f"{len(table)} rows, {len(problems)} problems")
    return bool(problems)


sys.exit(main())
