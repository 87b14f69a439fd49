"""Limits of what files ask for: the table in frontends/README.md is that of the sources."""

import re

import tree

ROW = re.compile(r"^\| `(kMax\w+)` \| `(.+?)` \| `(.+?)` \|", re.MULTILINE)


def rows():
    return ROW.findall(tree.text("frontends/README.md"))


def test_values_are_those_of_the_sources():
    wrong = []
    for name, value, where in rows():
        path = tree.ROOT / where if (tree.ROOT / where).exists() else tree.ROOT / "frontends" / where
        if not re.search(rf"\b{name} = {re.escape(value)};", path.read_text()):
            wrong.append(f"{where} does not say {name} = {value}")
    assert not wrong and len(rows()) > 15, wrong


def test_every_limit_that_an_error_names_has_a_row():
    named = {}
    for path in tree.files(".cpp"):
        if path.parts[0] in ("frontends", "dialects", "compiler") or path.parts[:2] == ("runtime", "module"):
            for line in tree.text(path).splitlines():
                for group in re.findall(r'"[^"]*\((kMax[\w, ]+)\)[^"]*"', line) + re.findall(r'"(kMax\w+)"', line):
                    named.update({name: path for name in group.split(", ")})
    missing = set(named) - {name for name, _, _ in rows()}
    assert not missing, [f"{named[name]}: {name}" for name in sorted(missing)]
