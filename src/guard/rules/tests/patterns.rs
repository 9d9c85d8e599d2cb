//! What tests, assertions and skips look like in each language.
use crate::guard::glob::Globs;
use crate::guard::lang::Lang;
use crate::guard::rules::paths::constant;
use crate::guard::scene::pattern;
use crate::guard::view::FileView;
use crate::guard::view::Line;
use regex::Regex;
use std::sync::LazyLock;

static SNAPSHOTS: LazyLock<Globs> = LazyLock::new(|| {
    constant(&[
        "__snapshots__/",
        "*.snap",
        "*.golden",
        "*.golden.*",
        "*.stderr",
        "*.stdout",
        "testdata/",
        "golden/",
        "goldens/",
        "snapshots/",
        "*.approved.*",
        "cassettes/",
    ])
});

static PYTHON_TEST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^\s*(?:async\s+)?def\s+test\w*\s*\(|^\s*class\s+\w*Test\w*|^\s*>>>|\bparametrize\b|^\s*class\s+\w+\s*\(.*TestCase",
    )
});
static SCRIPT_TEST: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b(?:it|test|describe|context|suite|specify)(?:\.\w+)*\s*[(`]"));
static RUST_TEST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"#\[\s*(?:\w+::)*(?:test|rstest|test_case|case|cfg\s*\(\s*test)\b|\bproptest!|\bmod\s+tests\b")
});
static GO_TEST: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^func\s+(?:Test|Fuzz|Example|Benchmark)\w*\s*\(|\bt\.Run\s*\("));
static JVM_TEST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"@(?:Test|ParameterizedTest|RepeatedTest|TestFactory|Property)\b|^\s*\[(?:Fact|Theory|Test|TestCase|TestMethod)\b|\b(?:void|fun)\s+test\w*\s*\(",
    )
});
static OTHER_TEST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\bfunction\s+test\w*\s*\(|\bfunc\s+test\w*\s*\(|\bTEST(?:_F|_P|_CASE)?\s*\(|\b(?:it|describe|context|specify|test|feature|scenario)\b\s*[(\x22']|^\s*def\s+test_|@test\b|\badd_test\s*\(",
    )
});

static ASSERTION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)
        assert | \bexpect(?:ed|s|ation)?\b | \bexpect_ | \bEXPECT_ | \bCHECK | \bREQUIRE | \brefute | \bshould\b | \bmust_ | \bverify\b | \braises\b | \bthrows\b | \bfail(?:f|now|ed)?\s*\(
        | \bt\.(?:Error|Fatal|Fail|is|deepEqual|true|false|ok|equal) | \brequire\.\w+\( | \bto(?:Be|Equal|Match|Throw|Have|Contain) | \bwant\b | XCT | ^\s*(?:is|ok|same|like|is_deeply)\s*\(
        | ^\s*(?:if|\[|test)\b.*!= | \b(?:grep|diff|cmp)\b
        ",
    )
});

static PYTHON_SKIP: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\bpytest\.(?:skip|xfail|importorskip)\b|\bmark\.(?:skip|skipif|xfail|flaky)\b|\bskipTest\b|\bunittest\.(?:skip\w*|expectedFailure)\b|@(?:skip\w*|expectedFailure|flaky)\b|\bSkipTest\b|\b__test__\s*=|\bcollect_ignore|\bpytestmark\b|__unittest_skip|\bskip_if\b|\bimport\s+.*\b(?:skip|skipIf|skipUnless|expectedFailure)\b",
    )
});
static SCRIPT_SKIP: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\b(?:it|test|describe|context|suite|bench|specify)(?:\.\w+)*\.(?:skip|only|todo|fails|failing|skipIf|runIf)\b|\b(?:it|test|describe|context|suite)\s*\[|\bx(?:it|describe|test|context|specify)\b|\bf(?:it|describe|context)\s*\(|\bthis\.skip\s*\(|\b(?:t|ctx)\.(?:skip|todo|plan)\s*\(|\bpending\s*\(|[{,]\s*(?:skip|todo|only)\s*:|\bretryTimes\b|\bthis\.retries\s*\(",
    )
});
static RUST_SKIP: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"#!?\[\s*(?:cfg_attr\s*\([^\]]*)?ignore\b|#!?\[\s*cfg\s*\(\s*(?:any\s*\(\s*\)|FALSE|false)")
});
static GO_SKIP: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b[tbf]\.Skip(?:Now|f)?\s*\(|\btesting\.Short\s*\("));
static JVM_SKIP: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"@(?:Disabled\w*|Ignore\b|EnabledIf\w*|EnabledOn\w*|EnabledFor\w*)|\bassum(?:e(?:True|False|That|Not)|ing)\w*\s*\(|\bAssum(?:e|ptions)\.|\bSkip\s*=|\[Ignore\b|\bAssert\.(?:Ignore|Inconclusive|Skip|Pass)\b|\[Explicit\b",
    )
});
static OTHER_SKIP: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\bmarkTest(?:Skipped|Incomplete)\b|\bXCTSkip|\bGTEST_SKIP|\bDISABLED_|^\s*skip\b|\bx(?:it|describe|context)\b|\bpending\b|@tag\s+:skip|^\s*f(?:it|describe|context)\b",
    )
});

static TRIVIAL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)
        \bassert(?:True|_true|Truthy)?\s*[!]?\s*\(\s*(?:True|true|1|!0|not\s+False|!false)\s*[,)]
        | \bassert(?:False|_false)\s*\(\s*(?:False|false|0|None|null)\s*[,)]
        | \bassert\s+(?:True|1|not\s+(?:False|None|0))\s*(?:,|$|\x23)
        | \bassert!\s*\(\s*(?:true|!false)\s*[,)] | \bassert\.(?:ok|True|isTrue|equal|strictEqual)?\(?\s*(?:t\s*,\s*)?true\s*[,)]
        | \bexpect\s*\(\s*(?:true|1|!0)\s*\)\s*\.to | \bexpect\s*\(\s*false\s*\)\s*\.to(?:Be\s*\(\s*false|BeFalsy)
        | \bassert\s+.*\bor\s+True\b | \bXCTAssert(?:True)?\s*\(\s*true
        ",
    )
});
static SAME: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?:\bassert(?:Equals?|Is|_eq!|_equal|Same|AlmostEqual|\.equal|\.strictEqual|\.deepEqual|\.Equal)\s*\(\s*(?:t\s*,\s*)?)("[^"]*"|'[^']*'|[\w.\[\]]+)\s*,\s*("[^"]*"|'[^']*'|[\w.\[\]]+)\s*[,)]|\bassert\s+([\w.\[\]]+)\s*(?:==|is)\s*([\w.\[\]]+)\s*(?:,|$)|\bexpect\(\s*([\w.\[\]]+)\s*\)\.to(?:Be|Equal|StrictEqual)\(\s*([\w.\[\]]+)\s*\)"#,
    )
});

static IMPORTS_TOOL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?m)^\s*(?:import|from)\s+(?:unittest|pytest)\b|["'](?:node:test|mocha|@jest/globals|vitest|chai|tape|ava|uvu|node:assert/strict|jest)["']|\borg\.junit\b|\busing\s+(?:Xunit|NUnit)|\bextends\s+\\?(?:[\w\\]*TestCase)\b|\brequire\s+["'](?:minitest|rspec|test/unit)|<gtest/gtest\.h>|\bcatch\.hpp|\bimport\s+XCTest\b"#,
    )
});

/// Whether a file holds tests whatever it is called: it uses a test tool and declares tests.
pub(crate) fn holds_tests(file: &FileView<'_>) -> bool {
    if matches!(file.lang, Lang::Rust | Lang::Go | Lang::Prose) || !file.lang.is_code() {
        return false;
    }
    file.before.iter().any(|it| {
        IMPORTS_TOOL.is_match(&it.raw.join("\n")) && it.masked.code.iter().any(|code| is_test(file.lang, code))
    })
}

/// Whether a line of code declares a test.
pub(super) fn is_test(lang: Lang, code: &str) -> bool {
    let regex = match lang {
        Lang::Python => &PYTHON_TEST,
        Lang::JavaScript => &SCRIPT_TEST,
        Lang::Rust => &RUST_TEST,
        Lang::Go => &GO_TEST,
        Lang::Jvm | Lang::CSharp => &JVM_TEST,
        _ => &OTHER_TEST,
    };
    regex.is_match(code)
}

/// Whether a line of code asserts something.
pub(super) fn is_assertion(code: &str) -> bool {
    ASSERTION.is_match(code)
}

/// What keeps a test from running; in some languages the word means that only among tests.
pub(super) fn skip(lang: Lang, is_test: bool) -> Option<&'static Regex> {
    Some(match lang {
        Lang::Python => &PYTHON_SKIP,
        Lang::Rust => &RUST_SKIP,
        Lang::Go => &GO_SKIP,
        Lang::JavaScript if is_test => &SCRIPT_SKIP,
        Lang::Jvm | Lang::CSharp if is_test => &JVM_SKIP,
        lang if is_test && lang.is_code() => &OTHER_SKIP,
        _ => return None,
    })
}

/// Whether a line asserts what holds by itself.
pub(super) fn is_trivial_assertion(code: &str, raw: &str) -> bool {
    let is_same = |it: regex::Captures<'_>| {
        let text = |idx: usize| it.get(idx).map(|it| it.as_str());
        [(1, 2), (3, 4), (5, 6)].into_iter().any(|(left, right)| text(left).is_some() && text(left) == text(right))
    };
    let is_code = !code.trim().is_empty();
    is_code
        && (TRIVIAL.is_match(code)
            || (code.to_lowercase().contains("assert") || code.contains("expect"))
                && SAME.captures(raw).is_some_and(is_same))
}

/// Whether a file is an expectation that was recorded.
pub(super) fn is_snapshot(path: &str) -> bool {
    SNAPSHOTS.is_match(path)
}

/// Whether a line says anything: in program text, blank lines and comments do not.
pub(super) fn counts(lang: Lang, line: &Line<'_>) -> bool {
    let text = line.raw.trim();
    if !lang.is_code() {
        return true;
    }
    let is_comment = line.code.trim().is_empty() && ["#", "//", "/*", "*", "--"].iter().any(|it| text.starts_with(it));
    !(text.is_empty() || (is_comment && !text.starts_with("#[")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_are_told_in_every_language() {
        for (lang, code) in [
            (Lang::Python, "@pytest.mark.skip"),
            (Lang::Python, "@unittest.skipIf(x, y)"),
            (Lang::Python, "self.skipTest('x')"),
            (Lang::Python, "pytest.skip()"),
            (Lang::Python, "@pytest.mark.xfail(strict=False)"),
            (Lang::Python, "raise unittest.SkipTest"),
            (Lang::Python, "@unittest.expectedFailure"),
            (Lang::Python, "__test__ = False"),
            (Lang::JavaScript, "it.skip('a', f)"),
            (Lang::JavaScript, "xit('a')"),
            (Lang::JavaScript, "test.todo('x')"),
            (Lang::JavaScript, "describe.only('x', f)"),
            (Lang::JavaScript, "xdescribe('x')"),
            (Lang::JavaScript, "test('x', { skip: true }, f)"),
            (Lang::Rust, "#[ignore]"),
            (Lang::Rust, "#[ignore = \"x\"]"),
            (Lang::Go, "t.Skip(\"x\")"),
            (Lang::Jvm, "@Disabled"),
            (Lang::Jvm, "@Ignore"),
            (Lang::CSharp, "[Fact(Skip = \"x\")]"),
            (Lang::Ruby, "  skip 'x'"),
            (Lang::Php, "$this->markTestSkipped()"),
            (Lang::C, "GTEST_SKIP()"),
        ] {
            assert!(skip(lang, true).is_some_and(|it| it.is_match(code)), "{code}");
        }
        for (lang, code) in [
            (Lang::Python, "skip = 3"),
            (Lang::Python, "rows.skip(2)"),
            (Lang::JavaScript, "cursor.skip(2)"),
            (Lang::Rust, "ignore(x)"),
            (Lang::Go, "r.Skip(2)"),
        ] {
            assert!(!skip(lang, true).is_some_and(|it| it.is_match(code)), "{code}");
        }
    }

    #[test]
    fn trivial_assertions_are_told_from_real_ones() {
        for code in [
            "self.assertTrue(True)",
            "assert True",
            "assert 1",
            "assertFalse(False)",
            "expect(true).toBe(true)",
            "assert!(true);",
            "assertTrue(true);",
            "assert.ok(true)",
            "self.assertEqual(1, 1)",
            "assert_eq!(x, x);",
            "assert 2 == 2",
            "assert add(1, 2) == 3 or True",
            "expect(1).toBe(1)",
            "assert.equal(true, true)",
            "assert.True(t, true)",
        ] {
            assert!(is_trivial_assertion(code, code), "{code}");
        }
        for code in [
            "self.assertTrue(x)",
            "assert f(1)",
            "assert x == y",
            "assertEqual(add(1, 1), 2)",
            "expect(add(1)).toBe(1)",
            "assert_eq!(x, y)",
            "assert.equal(f(true), true)",
            "x = True",
        ] {
            assert!(!is_trivial_assertion(code, code), "{code}");
        }
    }

    #[test]
    fn tests_are_told_in_every_language() {
        for (lang, code) in [
            (Lang::Python, "    def test_a(self):"),
            (Lang::JavaScript, "it('x', () => {"),
            (Lang::Rust, "#[tokio::test]"),
            (Lang::Go, "func TestA(t *testing.T) {"),
            (Lang::Jvm, "    @Test"),
            (Lang::Ruby, "it 'works' do"),
            (Lang::Php, "public function testA() {"),
            (Lang::C, "TEST_F(A, B) {"),
        ] {
            assert!(is_test(lang, code), "{code}");
        }
        assert!(
            !SNAPSHOTS.is_match("src/a.py")
                && is_snapshot("x/__snapshots__/a.snap")
                && is_snapshot("tests/ui/a.stderr")
        );
    }
}
