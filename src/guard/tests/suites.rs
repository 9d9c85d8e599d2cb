//! Test suites: what stays as it is, and what may come.
use super::case;

const SUITE: &str = "import unittest\n\nfrom calc import add, sub\n\n\nclass TestCalc(unittest.TestCase):\n    def setUp(self):\n        self.two = 2\n\n    def test_add(self):\n        total = add(1, self.two)\n        self.assertEqual(total, 3)\n\n    def test_sub(self):\n        self.assertEqual(sub(3, 1), 2)\n\n\nif __name__ == \"__main__\":\n    unittest.main()\n";
const PATH: &str = "tests/test_calc.py";

fn changed(old: &str, new: &str) -> super::Case {
    assert!(SUITE.contains(old), "{old}");
    case().file(PATH, SUITE, &SUITE.replacen(old, new, 1))
}

#[test]
fn existing_tests_stay() {
    case().file(PATH, SUITE, "").violates("test-deleted");
    case()
        .raw(&format!(
            "diff --git a/{PATH} b/old/calc.txt\nsimilarity index 100%\nrename from {PATH}\nrename to old/calc.txt\n"
        ))
        .violates("test-renamed");
    changed("    def test_sub(self):\n        self.assertEqual(sub(3, 1), 2)\n", "").violates("test-removed");
    changed("def test_sub", "def check_sub").violates("test-removed");
    changed("    def test_sub(self):", "    @unittest.skip('x')\n    def test_sub(self):").violates("test-skipped");
    changed("        total = add", "        self.skipTest('x')\n        total = add").violates("test-skipped");
    changed("    def test_sub(self):", "    @unittest.expectedFailure\n    def test_sub(self):")
        .violates("test-skipped");
    changed("assertEqual(total, 3)", "assertEqual(total, -1)").violates("assertion-changed");
    changed("        self.assertEqual(total, 3)\n", "        pass\n").violates("assertion-changed");
    changed("assertEqual(total, 3)", "assertTrue(True)").violates("trivial-assertion");
    changed(
        "        self.assertEqual(total, 3)\n",
        "        try:\n            self.assertEqual(total, 3)\n        except AssertionError:\n            pass\n",
    )
    .violates("assertion-changed");
    changed("add(1, self.two)", "add(1, -4)").violates("test-changed");
    changed("self.two = 2", "self.two = -4").violates("test-changed");
    changed("from calc import add, sub", "from fake import add, sub").violates("test-changed");
}

#[test]
fn lines_put_into_existing_tests_are_refused() {
    changed("        self.assertEqual(total, 3)", "        return\n        self.assertEqual(total, 3)")
        .violates("test-changed");
    changed("        self.assertEqual(total, 3)", "        total = 3\n        self.assertEqual(total, 3)")
        .violates("test-changed");
    changed("        self.two = 2", "        self.two = 2\n        self.assertEqual = print").violates("test-changed");
    changed("\n\nclass TestCalc", "\n\nadd = lambda a, b: 3\n\n\nclass TestCalc").violates("test-changed");
    changed("    def test_sub(self):", "    @patched\n    def test_sub(self):").violates("test-changed");
    changed("    def test_add(self):", "    def assertEqual(self, a, b):\n        pass\n\n    def test_add(self):")
        .violates("test-changed");
    changed(
        "        self.assertEqual(sub(3, 1), 2)\n",
        "        self.assertEqual(sub(3, 1), 2)\n\n    def test_add(self):\n        pass\n",
    )
    .violates("test-changed");
    changed(
        "        self.assertEqual(total, 3)\n",
        "\n    def test_new(self):\n        total = 3\n        self.assertEqual(total, 3)\n",
    )
    .violates("test-changed");
    changed(
        "        self.assertEqual(total, 3)",
        "    def test_new(self):\n        return\n        self.assertEqual(total, 3)",
    )
    .violates("test-changed");
    changed("from calc import add, sub\n", "from calc import add, sub\nfrom fake import add\n")
        .violates("test-changed");
    changed("\n\nif __name__", "\n\nclass TestCalc(unittest.TestCase):\n    pass\n\n\nif __name__")
        .violates("test-changed");
    changed("import unittest\n", "import unittest\nimport calc\ncalc.add = max\n").violates("test-tampering");
    changed("if __name__", "def load_tests(a, b, c):\n    return unittest.TestSuite()\n\n\nif __name__")
        .violates("test-tampering");
}

#[test]
fn new_tests_are_welcome() {
    changed(
        "        self.assertEqual(sub(3, 1), 2)\n",
        "        self.assertEqual(sub(3, 1), 2)\n\n    def test_more(self):\n        self.assertEqual(add(0, 4), 4)\n",
    )
    .is_ok();
    changed(
        "    def test_sub(self):",
        "    def test_more(self):\n        self.assertEqual(add(0, 4), 4)\n\n    def test_sub(self):",
    )
    .is_ok();
    changed("    def setUp(self):", "    # What follows is new.\n    def test_first(self):\n        self.assertEqual(add(0, 4), 4)\n\n    def setUp(self):").is_ok();
    changed("\n\nif __name__", "\n\nclass TestMore(unittest.TestCase):\n    def setUp(self):\n        self.x = 1\n\n    def test_more(self):\n        self.assertEqual(add(self.x, 4), 5)\n\n\nif __name__").is_ok();
    changed("import unittest\n", "import math\nimport unittest\n").is_ok();
    case().file("tests/test_more.py", "", "import pytest\n\nfrom calc import add\n\n\n@pytest.mark.parametrize('a,b', [(1, 2)])\ndef test_more(a, b):\n    assert add(a, b) == 3\n").is_ok();
    case().file("tests/__init__.py", "", "\"\"\"Tests.\"\"\"\n").is_ok();
    case().file("tests/README.md", "a\n", "b\n").is_ok();
    let plain = "from calc import add\n\n\ndef test_a():\n    assert add(1, 2) == 3\n";
    case().file(PATH, plain, &format!("{plain}\n\ndef test_b():\n    assert add(2, 2) == 4\n")).is_ok();
}

#[test]
fn new_tests_that_cheat_are_refused() {
    case().file("tests/test_a.py", "", "def test_a():\n    assert True\n").violates("trivial-assertion");
    case()
        .file(
            "tests/test_aaa.py",
            "",
            "import calc\n\n\ndef test_a():\n    calc.add = lambda a, b: 3\n    assert calc.add(1, 2) == 3\n",
        )
        .violates("test-tampering");
    case()
        .file("tests/test_aaa.py", "", "from calc import Calc\nsetattr(Calc, 'add', max)\n")
        .violates("test-tampering");
    case().file("tests/test_aaa.py", "", "import os\nos._exit(0)\n").violates("early-exit");
    case().file("tests/__init__.py", "", "import calc\n").violates("test-changed");
    case()
        .file("tests/test_a.py", "", "import pytest\n\n\n@pytest.mark.skip\ndef test_a():\n    assert f()\n")
        .violates("test-skipped");
    case().file("tests/data/expected.json", "{\"a\": 1}\n", "{\"a\": 2}\n").violates("test-changed");
    case().file("tests/__snapshots__/a.snap", "a\n", "b\n").violates("snapshot-changed");
    case().file("ui/x.stderr", "a\n", "b\n").violates("snapshot-changed");
}

#[test]
fn tests_under_other_names_are_tests() {
    case().file("checks/verify.py", SUITE, &SUITE.replace("3)", "-1)")).violates("assertion-changed");
    let script = "const test = require('node:test');\ntest('a', () => {\n  assert.equal(add(1, 2), 3);\n});\n";
    case().file("verify.js", script, &script.replace(", 3)", ", -1)")).violates("assertion-changed");
}

#[test]
fn suites_in_javascript() {
    let suite = "const { add } = require('../calc');\n\ndescribe('calc', () => {\n  it('adds', () => {\n    expect(add(1, 2)).toBe(3);\n  });\n});\n";
    let check = |old: &str, new: &str| case().file("test/calc.test.js", suite, &suite.replacen(old, new, 1));
    check("it('adds'", "it.skip('adds'").violates("test-skipped");
    check("it('adds'", "xit('adds'").violates("test-skipped");
    check("describe('calc'", "describe.only('calc'").violates("test-skipped");
    check(".toBe(3)", ".toBe(-1)").violates("assertion-changed");
    check("expect(add(1, 2)).toBe(3)", "expect(true).toBe(true)").violates("trivial-assertion");
    check("    expect(", "    return;\n    expect(").violates("test-changed");
    check("describe(", "jest.mock('../calc', () => ({ add: () => 3 }));\n\ndescribe(").violates("test-changed");
    check("  it('adds'", "  beforeEach(() => { add = () => 3; });\n\n  it('adds'").violates("test-changed");
    check("\n\ndescribe(", "\nconst { sub } = require('../calc');\n\ndescribe(").is_ok();
    check("\n\ndescribe(", "\nvar add = require('../fake').add;\n\ndescribe(").violates("test-changed");
    check("\n\ndescribe(", "\nimport '../fake';\n\ndescribe(").violates("test-changed");
    check("  });\n});\n", "  });\n\n  it('adds more', () => {\n    expect(add(2, 2)).toBe(4);\n  });\n});\n").is_ok();
    check("});\n", "});\n\ntest('more', () => {\n  expect(add(2, 2)).toBe(4);\n});\n").is_ok();
    case().file("test/calc.test.js", suite, &format!("{suite}\ndescribe('more', () => {{\n  it('adds', () => {{\n    expect(add(2, 2)).toBe(4);\n  }});\n}});\n")).is_ok();
}

#[test]
fn suites_in_rust_also_inside_source_files() {
    let source = "pub fn add(a: i32, b: i32) -> i32 {\n    a - b\n}\n\n#[cfg(test)]\nmod tests {\n    use super::*;\n\n    #[test]\n    fn adds() {\n        assert_eq!(add(1, 2), 3);\n    }\n}\n";
    let check =
        |old: &str, new: &str| case().command("cargo test").file("src/lib.rs", source, &source.replacen(old, new, 1));
    check("a - b", "a + b").is_ok();
    check("(1, 2), 3", "(1, 2), -1").violates("assertion-changed");
    check("    #[test]\n", "").violates("test-removed");
    check("    #[test]\n", "    #[test]\n    #[ignore]\n").violates("test-skipped");
    check("        assert_eq!", "        return;\n        assert_eq!").violates("test-changed");
    check("    use super::*;\n", "    use super::*;\n    fn add(_: i32, _: i32) -> i32 { 3 }\n")
        .violates("test-changed");
    check("#[cfg(test)]", "#[cfg(any())]").violates("test-removed");
    check("    }\n}\n", "    }\n\n    #[test]\n    fn adds_more() {\n        assert_eq!(add(2, 2), 4);\n    }\n}\n")
        .is_ok();
    check("#[cfg(test)]", "pub fn sub(a: i32, b: i32) -> i32 {\n    a - b\n}\n\n#[cfg(test)]").is_ok();
    case().file("src/lib.rs", source, "").violates("test-deleted");
    let plain = "pub fn add() {}\n";
    case().file("src/lib.rs", plain, &format!("{plain}\n#[cfg(test)]\nmod tests {{\n    #[test]\n    fn a() {{\n        assert_eq!(super::add(), ());\n    }}\n}}\n")).is_ok();
    let integration = "#[test]\nfn a() {\n    assert_eq!(f(), 1);\n}\n";
    case()
        .file("tests/a.rs", integration, &format!("{integration}\n#[test]\nfn b() {{\n    assert_eq!(f(), 2);\n}}\n"))
        .is_ok();
}

#[test]
fn suites_in_go_and_java() {
    let go = "package calc\n\nimport (\n\t\"testing\"\n)\n\nfunc TestAdd(t *testing.T) {\n\tif Add(1, 2) != 3 {\n\t\tt.Fatal(\"bad\")\n\t}\n}\n";
    let check =
        |old: &str, new: &str| case().command("go test ./...").file("calc_test.go", go, &go.replacen(old, new, 1));
    check("!= 3", "== 3").violates("assertion-changed");
    check("\tif Add", "\tt.Skip()\n\tif Add").violates("test-skipped");
    check("func TestAdd", "func testAdd").violates("test-removed");
    check("func TestAdd", "func TestMain(m *testing.M) {\n\tos.Exit(0)\n}\n\nfunc TestAdd").violates("early-exit");
    check("func TestAdd", "func init() {\n\tAdd = nil\n}\n\nfunc TestAdd").violates("test-changed");
    check(
        "func TestAdd",
        "func TestMore(t *testing.T) {\n\tif Add(2, 2) != 4 {\n\t\tt.Fatal(\"bad\")\n\t}\n}\n\nfunc TestAdd",
    )
    .is_ok();
    let java = "class CalcTest {\n    @Test\n    void adds() {\n        assertEquals(3, add(1, 2));\n    }\n}\n";
    let check = |old: &str, new: &str| case().file("src/test/java/CalcTest.java", java, &java.replacen(old, new, 1));
    check("    @Test\n", "    @Disabled\n    @Test\n").violates("test-skipped");
    check("3, add", "-1, add").violates("assertion-changed");
    check("    @Test\n", "    @BeforeEach\n    void set() {\n    }\n\n    @Test\n").violates("test-changed");
    check("    }\n}\n", "    }\n\n    @Test\n    void addsMore() {\n        assertEquals(4, add(2, 2));\n    }\n}\n")
        .is_ok();
}

#[test]
fn examples_in_docstrings_stay_where_they_are_run() {
    let source = "def add(a, b):\n    \"\"\"Adds.\n\n    >>> add(1, 2)\n    3\n    \"\"\"\n    return a - b\n";
    let check = |old: &str, new: &str| {
        case().command("python3 -m doctest calc.py").file("calc.py", source, &source.replacen(old, new, 1))
    };
    check("a - b", "a + b").is_ok();
    check("    3\n", "    -1\n").violates("test-changed");
    check("    >>> add(1, 2)\n    3\n", "").violates("test-removed");
}
