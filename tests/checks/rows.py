#!/usr/bin/env python3
"""rows.py ROOT: what the tables of tests/ say is tested must be tested.

tests/conformance/rows.tsv: a row is one of Node's own tests about async context: its folder and name without test- and .js, a
verdict, a status, and for what is covered the test cases that cover it, each as suite|name; columns
are divided by tabs. Verdicts: Y means the same here; F1 to F9 means it of what takes its place (F1 a
fiber for a promise, F2 a fiber resumed for a callback, F3 an owner for the collector, F4 the uncaught
handler, F5 ticks and microtasks, F6 a child process, F7 a stack of scopes for each fiber, F8 a pooled
resource, F9 internals); J is about JavaScript.

*_rules.tsv: a row is a rule of somebody else's model, and the test cases that hold it.
"""
import collections
import pathlib
import re
import sys

STATUS = re.compile(r"covered|follows with (?P<what>.+)|no meaning because .+")
VERDICT = re.compile(r"(Y|J|F[1-9])( (Y|J|F[1-9]))*")
LITERAL = r'"(?:[^"\\]|\\.)*"'
CASE = re.compile(rf"TEST_CASE(?:_FIXTURE|_TEMPLATE)?\(\s*(?:\w+,\s*)?((?:{LITERAL}\s*)+)")
SUITE = re.compile(rf"TEST_SUITE_BEGIN\(({LITERAL})\)")


def text_of(literals):
    """Joins adjacent string literals as the compiler does."""
    return "".join(part[1:-1] for part in re.findall(LITERAL, literals)).replace('\\"', '"')


def existing_cases(root):
    cases = set()
    for path in (root / "tests").rglob("*_test.cpp"):
        source = path.read_text(encoding="utf-8")
        suite = SUITE.search(source)
        cases.update(f"{text_of(suite[1])}|{text_of(case[1])}" for case in CASE.finditer(source))
    return cases


def check_rules(root, cases):
    """Prints how many rules each table has; returns what is wrong."""
    errors = []
    counts = []
    for table in sorted((root / "tests").rglob("*_rules.tsv")):
        rules = [line.split("\t") for line in table.read_text(encoding="utf-8").splitlines()
                 if line and not line.startswith("#")]
        counts.append(f"{table.stem.removesuffix('_rules')} {len(rules)}")
        errors += [f"{table}: {rule}: no test case" for rule, *named in rules if not named]
        errors += [f"{table}: {rule}: no such case: {case}"
                   for rule, *named in rules for case in named if case not in cases]
    print(f"rules covered: {', '.join(counts)}")
    return errors


def main(root):
    cases = existing_cases(root)
    table = root / "tests/conformance/rows.tsv"
    errors = check_rules(root, cases)
    seen = set()
    covered = meaningful = without = 0
    follows = collections.Counter()
    for number, line in enumerate(table.read_text(encoding="utf-8").splitlines(), 1):
        test, verdict, status, *named = (line.split("\t") + ["", ""])[:max(3, line.count("\t") + 1)]
        kind = STATUS.fullmatch(status)
        problems = [f"no such case: {case}" for case in named if case not in cases]
        if not kind:
            problems.append(f"no such status: {status!r}")
        if not VERDICT.fullmatch(verdict):
            problems.append(f"no such verdict: {verdict!r}")
        if test in seen:
            problems.append("a second row of this test")
        if (status == "covered") != bool(named):
            problems.append("cases are named by a row that is covered, and by no other")
        errors += [f"{table}:{number}: {test}: {problem}" for problem in problems]
        seen.add(test)
        if verdict == "J":
            continue
        meaningful += 1
        covered += status == "covered"
        without += status.startswith("no meaning")
        if kind and kind["what"]:
            follows[kind["what"]] += 1
    print("\n".join(errors), end="\n" if errors else "")
    what = ", ".join(f"{name} {count}" for name, count in sorted(follows.items()))
    print(f"rows covered: {covered} of {meaningful} marked meaningful "
          f"({follows.total()} follow with {what or 'nothing'}; {without} have no meaning here)")
    return 1 if errors or covered + follows.total() + without != meaningful or not seen else 0


sys.exit(main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
