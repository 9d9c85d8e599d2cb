//! Catching everything: the error is gone, the fault stays.
use crate::guard::findings::Findings;
use crate::guard::findings::excerpt;
use crate::guard::lang::Lang;
use crate::guard::scene::Scene;
use crate::guard::scene::pattern;
use crate::guard::view::FileView;
use crate::guard::view::Of;
use crate::guard::view::Stretch;
use regex::Regex;
use std::sync::LazyLock;

const RULE: &str = "broad-except";
const REASON: &str =
    "catches everything, which hides the fault instead of fixing it; name the one error that is expected";
/// Most characters of one statement or block that are looked at.
const MAX_CHARS: usize = 2_000;

static PYTHON: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)
        \bexcept\s*\*?\s*:                                                  # bare
        | \bexcept\b\s*\*?[^:]*?[\s(,*](?:builtins\.)?(?:Base)?Exception(?:Group)?\s*(?:\b(?:as|if|or)\b|[,):])  # alone or in a tuple
        | \bsuppress\s*\((?:[^)]*[\s,(])?(?:builtins\.)?(?:Base)?Exception\s*[,)]
        | ^\s*\w+\s*=\s*\(?\s*(?:builtins\.)?(?:Base)?Exception\s*,?\s*\)?\s*$   # another name for it
        ",
    )
});
static RUBY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\brescue\s*(?:=>\s*\w+\s*)?(?:$|;|\bthen\b)|\brescue\s+(?:[\w:]+\s*,\s*)*(?:Exception|StandardError)\b|\S\s+rescue\s+(?:nil|false|true|0|\[\]|\{\})",
    )
});
static JVM: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\bcatch\s*\(\s*(?:final\s+)?(?:[\w.]+\s*\|\s*)*(?:java\.lang\.)?(?:Exception|Throwable|RuntimeException|Error)\b|\bcatch\s*\(\s*\w+\s*:\s*(?:\w+\.)*(?:Exception|Throwable|RuntimeException|Error)\b|\brunCatching\b|\bcase\s+\w+\s*:\s*(?:Exception|Throwable)\b|\bcase\s+NonFatal\b",
    )
});
static CSHARP: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\bcatch\s*(?:\{|$)|\bcatch\s*\(\s*(?:System\.)?(?:Exception|SystemException)\b"));
static PHP: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\bcatch\s*\(\s*(?:[\w\\]+\s*\|\s*)*\\?(?:Exception|Throwable|Error)\b"));
static C: LazyLock<Regex> = LazyLock::new(|| pattern(r"\bcatch\s*\(\s*\.\.\.\s*\)|@catch\s*\("));
static GO: LazyLock<Regex> = LazyLock::new(|| pattern(r"\brecover\s*\(\s*\)|^\s*_\s*=\s*err\s*$"));
static RUST: LazyLock<Regex> = LazyLock::new(|| pattern(r"\bcatch_unwind\b"));
static SWIFT: LazyLock<Regex> = LazyLock::new(|| pattern(r"\bcatch\s*\{\s*\}"));
/// A promise whose every failure is dropped.
static SCRIPT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\.catch\s*\(\s*(?:\(?\s*\w*\s*\)?\s*=>\s*(?:\{\s*\}|null|undefined|void 0|false|true|0)|noop|_\.noop|function\s*\w*\s*\(\s*\w*\s*\)\s*\{\s*\})\s*\)",
    )
});
static CATCH: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\bcatch\b\s*(?:\([^()]*\))?\s*\{?\s*$|\bcatch\b\s*(?:\([^()]*\))?\s*\{\s*\}"));
static EMPTY_CATCH: LazyLock<Regex> = LazyLock::new(|| pattern(r"^catch\b\s*(?:\([^()]*\))?\s*\{[\s;]*\}"));

pub(crate) fn check(_scene: &Scene<'_>, file: &FileView<'_>, findings: &mut Findings) {
    let regex = match file.lang {
        Lang::Python => return check_python(file, findings),
        Lang::Ruby => &RUBY,
        Lang::Jvm => &JVM,
        Lang::CSharp => &CSHARP,
        Lang::Php => &PHP,
        Lang::C => &C,
        Lang::Go => &GO,
        Lang::Rust => &RUST,
        Lang::Swift => &SWIFT,
        Lang::JavaScript => &SCRIPT,
        _ => return,
    };
    for (line, found) in file.fresh(regex, Of::Code) {
        findings.violation(file.path, Some(line.number), RULE, format!("{} {REASON}", excerpt(found)));
    }
    // A new test may expect the error it catches; existing tests are kept by other rules.
    if !file.is_test && matches!(file.lang, Lang::JavaScript | Lang::Jvm | Lang::CSharp | Lang::Php | Lang::C) {
        check_empty_catch(file, findings);
    }
}

/// Statements of Python may go over several lines, so they are joined first.
fn check_python(file: &FileView<'_>, findings: &mut Findings) {
    let statements =
        |side: &[Stretch<'_>]| -> Vec<(u32, String)> { side.iter().flat_map(changed_statements).collect() };
    let squash = |text: &str| text.split_whitespace().collect::<String>();
    let mut known: Vec<String> = Vec::new();
    for (_, text) in statements(&file.before) {
        known.extend(PYTHON.find(&text).map(|_| squash(&text)));
    }
    for (number, text) in statements(&file.after) {
        let Some(found) = PYTHON.find(&text) else { continue };
        // Rewording only the name (`as err`) or moving the clause makes nothing worse.
        match known.iter().position(|it| head(it) == head(&squash(&text))) {
            Some(at) => drop(known.swap_remove(at)),
            None => findings.violation(file.path, Some(number), RULE, format!("{} {REASON}", excerpt(found.as_str()))),
        }
    }
}

/// A squashed clause without the name it binds.
fn head(clause: &str) -> &str {
    clause
        .rsplit_once("as")
        .filter(|(front, _)| front.ends_with("Exception") || front.ends_with(')'))
        .map_or(clause.trim_end_matches(':'), |(front, _)| front)
}

/// Statements with a changed line in them: first line number and text.
fn changed_statements(stretch: &Stretch<'_>) -> Vec<(u32, String)> {
    let mut statements = Vec::new();
    let mut idx = 0;
    while idx < stretch.raw.len() {
        let first = idx;
        let mut text = String::new();
        let mut depth = 0_i32;
        let mut is_changed = false;
        loop {
            let code = &stretch.masked.code[idx];
            depth += code
                .chars()
                .map(|it| i32::from(matches!(it, '(' | '[' | '{')) - i32::from(matches!(it, ')' | ']' | '}')))
                .sum::<i32>();
            is_changed |= stretch.runs[idx].is_some();
            text.push_str(code.trim_end().trim_end_matches('\\'));
            text.push(' ');
            let is_continued = (depth > 0 || code.trim_end().ends_with('\\')) && text.len() < MAX_CHARS;
            idx += 1;
            if !is_continued || idx == stretch.raw.len() {
                break;
            }
        }
        if is_changed {
            statements.push((stretch.number(first), text.trim_end().to_owned()));
        }
    }
    statements
}

fn check_empty_catch(file: &FileView<'_>, findings: &mut Findings) {
    let n_empty = |side: &[Stretch<'_>]| side.iter().map(|it| empty_catches(it).len()).sum::<usize>();
    let (n_before, n_after) = (n_empty(&file.before), n_empty(&file.after));
    if n_after <= n_before {
        return;
    }
    for stretch in &file.after {
        for idx in empty_catches(stretch) {
            let reason = format!("an empty `catch` {REASON}");
            findings.violation(file.path, Some(stretch.number(idx)), RULE, reason);
        }
    }
}

/// The lines on which a `catch` with an empty block begins.
fn empty_catches(stretch: &Stretch<'_>) -> Vec<usize> {
    let mut found = Vec::new();
    for (idx, code) in stretch.masked.code.iter().enumerate() {
        let Some(at) = CATCH.find(code).map(|it| it.start()) else { continue };
        let mut block = code[at..].to_owned();
        for next in stretch.masked.code.iter().skip(idx + 1).take(20) {
            if block.len() > MAX_CHARS || block.contains('}') {
                break;
            }
            block.push('\n');
            block.push_str(next);
        }
        if EMPTY_CATCH.is_match(&block) {
            found.push(idx);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_clauses_are_told_apart() {
        for clause in [
            "except:",
            "except :",
            "except Exception:",
            "except Exception as e:",
            "except BaseException:",
            "except (ValueError, Exception):",
            "except (Exception, ValueError) as e:",
            "except (Exception):",
            "except* Exception:",
            "    except builtins.Exception:",
            "try: x\nexcept:pass",
            "with suppress(Exception):",
            "with contextlib.suppress(ValueError, BaseException):",
            "Everything = Exception",
            "errors = (Exception,)",
            "except (  ValueError,  Exception, ):",
            "except Exception if True else X:",
        ] {
            assert!(PYTHON.is_match(clause), "{clause}");
        }
        for clause in [
            "except ValueError:",
            "except MyException:",
            "except (KeyError, IndexError) as e:",
            "except requests.RequestException:",
            "raise Exception(x)",
            "class E(Exception):",
            "except foo.Exception:",
            "x = Exception()",
            "def f(e: Exception):",
            "isinstance(e, Exception)",
            "except ExceptionOfMine:",
            "with suppress(KeyError):",
            "if not isinstance(x, (Exception, str)):",
        ] {
            assert!(!PYTHON.is_match(clause), "{clause}");
        }
    }

    #[test]
    fn the_name_a_clause_binds_does_not_matter() {
        assert_eq!(head("exceptExceptionase:"), head("exceptException:"));
        assert_ne!(head("exceptException:"), head("exceptBaseException:"));
    }

    #[test]
    fn every_pattern_compiles() {
        for regex in [&RUBY, &JVM, &CSHARP, &PHP, &C, &GO, &RUST, &SWIFT, &SCRIPT, &CATCH, &EMPTY_CATCH] {
            assert!(!regex.is_match("x = 1"), "{}", regex.as_str());
        }
        for (regex, code) in [
            (&RUBY, "rescue => e"),
            (&RUBY, "rescue"),
            (&RUBY, "rescue Exception => e"),
            (&RUBY, "x = f rescue nil"),
            (&JVM, "} catch (Exception e) {"),
            (&JVM, "catch (e: Throwable)"),
            (&JVM, "catch (final IOException | RuntimeException e)"),
            (&CSHARP, "catch {"),
            (&CSHARP, "catch (Exception)"),
            (&PHP, "catch (\\Throwable $e)"),
            (&C, "catch (...)"),
            (&GO, "if r := recover(); r != nil {"),
            (&GO, "\t_ = err"),
            (&SCRIPT, "p.catch(() => {})"),
            (&SCRIPT, "p.catch(e => null)"),
        ] {
            assert!(regex.is_match(code), "{code}");
        }
        assert!(
            !RUBY.is_match("rescue KeyError => e")
                && !JVM.is_match("catch (IOException e)")
                && !SCRIPT.is_match("p.catch(e => log(e))")
        );
    }
}
