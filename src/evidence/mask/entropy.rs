//! Tells random text from names, paths and digests.

/// Bits per character from which a text counts as random; 32 characters of base64 have about 4.5.
const RANDOM_BITS: f64 = 3.9;

/// Returns the Shannon entropy of a text in bits per byte.
#[expect(clippy::cast_precision_loss, reason = "counts of a bounded text are far below 2^52")]
pub(super) fn entropy(text: &str) -> f64 {
    let mut counts = [0_usize; 256];
    text.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let len = text.len() as f64;
    counts.iter().filter(|n| **n > 0).map(|n| *n as f64 / len).map(|share| -share * share.log2()).sum()
}

/// Whether a run of 32 and more base64 characters looks drawn at random. Digests, uuids, paths and names do not.
pub(super) fn is_random(token: &str) -> bool {
    let core = token.trim_end_matches('=');
    if is_digest(core) || is_path(core) || is_symbol(core) {
        return false;
    }
    let has = |test: fn(&u8) -> bool| core.bytes().any(|byte| test(&byte));
    let mixes = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_digit);
    mixes && n_digit_runs(core) >= 3 && !reads_as_words(core) && entropy(core) >= RANDOM_BITS
}

/// Hexadecimal in one piece or in the groups of a uuid, also behind a short label (`sha512-…`).
fn is_digest(text: &str) -> bool {
    let is_labelled = ["sha1-", "sha256-", "sha384-", "sha512-"].iter().any(|label| text.starts_with(label));
    is_labelled || text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-' || byte == b'_')
}

fn is_path(text: &str) -> bool {
    let n_slashes = text.bytes().filter(|byte| *byte == b'/').count();
    text.starts_with('/') || text.contains("//") || n_slashes > text.len() / 16
}

/// Names that compilers make: Rust and C++ symbols end in a hash, but are no secret.
fn is_symbol(text: &str) -> bool {
    text.starts_with("_ZN") || text.starts_with("_R") || text.starts_with("_Z")
}

fn n_digit_runs(text: &str) -> usize {
    let digits: Vec<bool> = text.bytes().map(|byte| byte.is_ascii_digit()).collect();
    digits.windows(2).filter(|pair| !pair[0] && pair[1]).count() + usize::from(digits.first() == Some(&true))
}

/// Whether most characters stand in runs of four and more letters of one case, as in `TestParserKeepsLongNames`.
fn reads_as_words(text: &str) -> bool {
    let kind = |byte: u8| match byte {
        b'a'..=b'z' => 1,
        b'A'..=b'Z' => 2,
        _ => 0,
    };
    let mut in_words = 0;
    let mut run = (0, 0);
    for byte in text.bytes().chain([b' ']) {
        let kind = kind(byte);
        if kind == run.0 && kind != 0 {
            run.1 += 1;
            continue;
        }
        if run.1 >= 3 {
            in_words += run.1;
        }
        run = (kind, usize::from(kind != 0));
    }
    in_words * 2 > text.len()
}
