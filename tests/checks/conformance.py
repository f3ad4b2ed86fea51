#!/usr/bin/env python3
"""conformance.py [ROOT]: the list, the data, the scripts and the tests of tests/conformance agree."""
import collections
import pathlib
import re
import sys

FOLDER = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".") / "tests/conformance"
STATUSES = {"reproduced": False, "deviates": False, "open": True, "follows": True, "none": True}

problems = []


def read_scenarios():
    """Returns name -> status; what follows the status is a reason and for people."""
    scenarios = {}
    lines = (FOLDER / "scenarios").read_text().splitlines()
    entries = [line for line in lines if line and not line.startswith("#")]
    for line in entries:
        name, status, *reason = line.split(" ", 2)
        if status not in STATUSES or STATUSES[status] != bool(reason):
            problems.append(f"scenarios: {name}: {status} is no status, or its reason is missing")
        scenarios[name] = status
    if [line.split(" ")[0] for line in entries] != sorted(scenarios):
        problems.append("scenarios: the names are not sorted, or one stands there twice")
    return scenarios


def read_tests():
    """Returns how often each name is reproduced."""
    calls = collections.Counter()
    for path in FOLDER.glob("*_test.cpp"):
        calls.update(re.findall(r'\breproduce\(\s*"([^"]+)"', path.read_text()))
    return calls


def check_data(name, status):
    """The sections of the data are those the status tells."""
    text = (FOLDER / "expected" / f"{name}.trace").read_text()
    header, _, sections = text.partition("\nnode:\n")
    node, has_weft, weft = sections.partition("weft:\n")
    if not node:
        problems.append(f"{name}: the data has no node: section")
    if (status == "deviates") != bool(has_weft):
        problems.append(f"{name}: {status}, but the data says otherwise")
    if bool(has_weft) != ("\nbecause: " in header):
        problems.append(f"{name}: a weft: section needs a because: and the other way round")
    if has_weft and node == weft:
        problems.append(f"{name}: weft: is the same as node:")


def main():
    scenarios = read_scenarios()
    done = {name for name, status in scenarios.items() if status in ("reproduced", "deviates")}
    calls = read_tests()
    places = {
        "a test": set(calls),
        "data": {path.stem for path in (FOLDER / "expected").iterdir()},
        "a script": {path.stem for path in (FOLDER / "node").iterdir()} - {"harness"},
    }
    for what, names in places.items():
        problems.extend(f"{name}: is done, but there is no {what.split()[-1]} of it"
                        for name in sorted(done - names))
        problems.extend(f"{name}: there is {what} of it, but it is not done"
                        for name in sorted(names - done))
    problems.extend(f"{name}: {count} tests reproduce it" for name, count in calls.items()
                    if count > 1)
    for name in sorted(done & places["data"]):
        check_data(name, scenarios[name])

    for problem in problems:
        print(problem)
    count = collections.Counter(scenarios.values())
    print(f"traces reproduced: {len(done)} of {len(done) + count['open']} that apply, "
          f"{count['deviates']} of them with a deviation "
          f"({count['follows']} of other I/O to follow, {count['none']} without a meaning here)")
    return bool(problems)


sys.exit(main())
