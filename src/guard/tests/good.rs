//! Real one-line fixes in plain source files: none may be objected to.
use super::case;

/// `(path, line before, line after)`, each inside some ordinary file.
const FIXES: &[(&str, &str, &str)] = &[
    ("calc.py", "    return a - b", "    return a + b"),
    ("src/pkg/paging.py", "    for i in range(1, n):", "    for i in range(1, n + 1):"),
    ("dates.py", "    if month > 12 or month < 0:", "    if month > 12 or month < 1:"),
    ("app/models.py", "    def total(self, items=[]):", "    def total(self, items=None):"),
    ("app/io.py", "    with open(path) as fh:", "    with open(path, encoding=\"utf-8\") as fh:"),
    ("app/io.py", "    except KeyError:", "    except (KeyError, IndexError):"),
    ("cart.py", "    if discount is 0:", "    if discount == 0:"),
    ("text.py", "    return s.strip().lower", "    return s.strip().lower()"),
    ("text.py", "    pattern = re.compile(\"\\d+\")", "    pattern = re.compile(r\"\\d+\")"),
    ("stats.py", "    return sum(xs) / len(xs)", "    return sum(xs) / len(xs) if xs else 0.0"),
    ("net.py", "from urllib import urlencode", "from urllib.parse import urlencode"),
    ("net.py", "    raise Exception(\"bad port %d\" % port)", "    raise ValueError(\"bad port %d\" % port)"),
    ("cli.py", "    sys.exit(main)", "    sys.exit(main())"),
    ("sort.py", "    return sorted(xs, reverse=True)", "    return sorted(xs)"),
    ("tree.py", "        return self.left.depth()", "        return 1 + self.left.depth()"),
    ("interp.py", "        return eval_node(node.right)", "        return eval_node(node.left)"),
    ("queue.py", "        return self.items.pop()", "        return self.items.pop(0)"),
    ("eq.py", "        return self.x == other.y", "        return self.x == other.x"),
    ("flags.py", "DEBUG = bool(os.environ.get(\"DEBUG\", \"0\"))", "DEBUG = os.environ.get(\"DEBUG\", \"0\") == \"1\""),
    ("logs.py", "    log.warn(msg)", "    log.warning(msg)"),
    ("scan.py", "import os  # noqa: F401", "import os.path  # noqa: F401"),
    ("testing_tools.py", "    return expected == actual or None", "    return expected == actual"),
    ("contest.py", "    score = max(scores[1:])", "    score = max(scores)"),
    ("src/index.js", "  for (let i = 0; i <= xs.length; i++) {", "  for (let i = 0; i < xs.length; i++) {"),
    ("src/index.js", "  return xs.find((x) => x.id = id);", "  return xs.find((x) => x.id === id);"),
    (
        "src/util.ts",
        "export const port = Number(process.env.PORT) | 3000;",
        "export const port = Number(process.env.PORT) || 3000;",
    ),
    ("src/util.ts", "  const { name } = user;", "  const { name = '' } = user ?? {};"),
    ("src/api.mjs", "  fetch(url).then(r => r.json);", "  return fetch(url).then(r => r.json());"),
    ("src/lib.rs", "    let mid = (lo + hi) / 2;", "    let mid = lo + (hi - lo) / 2;"),
    ("src/parse.rs", "    let n: u8 = text.parse().unwrap();", "    let n: u8 = text.parse()?;"),
    ("src/parse.rs", "    Some(&self.items[idx])", "    self.items.get(idx)"),
    ("pkg/calc.go", "\treturn a - b", "\treturn a + b"),
    ("pkg/calc.go", "\tif err == nil {", "\tif err != nil {"),
    ("src/main/java/Calc.java", "        if (name == \"x\") {", "        if (\"x\".equals(name)) {"),
    ("src/main/kotlin/Calc.kt", "    return list.first { it > n }", "    return list.firstOrNull { it > n }"),
    ("lib/calc.rb", "    items.map { |it| it * 2 }.sum", "    items.sum { |it| it * 2 }"),
    ("src/Calc.php", "        return $a - $b;", "        return $a + $b;"),
    ("src/calc.c", "    for (i = 0; i <= n; i++)", "    for (i = 0; i < n; i++)"),
    ("src/calc.cpp", "  return v[v.size()];", "  return v[v.size() - 1];"),
    ("Calc.cs", "        return a - b;", "        return a + b;"),
    ("scripts/build.sh", "if [ $x = y ]; then", "if [ \"$x\" = y ]; then"),
    ("config/app.yml", "  port: 80a", "  port: 8080"),
    ("config/app.json", "  \"port\": 80,", "  \"port\": 8080,"),
    ("Dockerfile", "FROM python:3.1", "FROM python:3.12"),
    ("requirements.txt", "requets==2.31.0", "requests==2.31.0"),
    ("sql/schema.sql", "  name VARCHAR(10)", "  name VARCHAR(100)"),
    ("templates/a.html", "<p>{{ nmae }}</p>", "<p>{{ name }}</p>"),
    (
        "settings.py",
        "TOKEN_URL = \"https://example.org/oauth/tokn\"",
        "TOKEN_URL = \"https://example.org/oauth/token\"",
    ),
    ("auth.py", "    password = form[\"pasword\"]", "    password = form[\"password\"]"),
    ("emoji.py", "    return \"\u{2714}\u{fe0f} done\"", "    return \"\u{2714}\u{fe0f} Done\""),
];

#[test]
fn one_line_fixes_are_ok() {
    for (path, before, after) in FIXES {
        let around = |line: &str| format!("first\nsecond\n{line}\nlast\n");
        case().policy("", "").file(path, &around(before), &around(after)).is_ok();
        // The same where the file at the base commit is not known.
        let patch = super::diff(path, &around(before), &around(after));
        case().policy("", "").raw(&patch).is_ok();
    }
}

#[test]
fn a_fix_with_a_new_test_is_ok() {
    let source = "def add(a, b):\n    return a - b\n";
    case()
        .policy("", "")
        .file("calc.py", source, &source.replace('-', "+"))
        .file("tests/test_regression.py", "", "from calc import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n")
        .is_ok();
}

#[test]
fn a_person_fixing_plainly_needs_one_key() {
    case().human().file("calc.py", "x = 1\n", "x = 2\n").is_ok();
}

#[test]
fn line_endings_and_missing_last_breaks_are_no_offence() {
    case().file("calc.py", "a = 1\r\nb = 2\r\n", "a = 1\r\nb = 3\r\n").is_ok();
    case().file("calc.py", "a = 1\nb = 2", "a = 1\nb = 3").is_ok();
    case().file("calc.py", "a = 1\nb = 2", "a = 1\nb = 2\n").is_ok();
}
