//! Tells a misspelt name from a missing package: adding the former would install whatever a stranger published under it.

/// Returns the one of `known` that `name` is one slip away from: a letter changed, missing, doubled, or two swapped.
pub(super) fn meant<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Short names are near to each other without being slips.
    if name.len() < 4 {
        return None;
    }
    known.into_iter().find(|it| it.len() >= 4 && *it != name && is_one_slip(name.as_bytes(), it.as_bytes()))
}

fn is_one_slip(one: &[u8], other: &[u8]) -> bool {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    let n_same = short.iter().zip(long).take_while(|(a, b)| a == b).count();
    let (short, long) = (&short[n_same..], &long[n_same..]);
    match long.len() - short.len() {
        0 if short.len() >= 2 && short[..2] == [long[1], long[0]] => short[2..] == long[2..],
        0 => short.is_empty() || short[1..] == long[1..],
        1 => *short == long[1..],
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slip_is_recognised_and_two_are_not() {
        for (name, is_slip) in [
            ("reqeusts", true),
            ("request", true),
            ("requestss", true),
            ("requasts", true),
            ("requests", false),
            ("flask", false),
            ("rekuasts", false),
        ] {
            assert_eq!(meant(name, ["requests"]).is_some(), is_slip, "{name}");
        }
        assert_eq!(meant("abc", ["abd"]), None);
    }
}
