//! The `Link` header: where the next page of a list is.

/// Returns the address that a `Link` header gives the relation `next`.
pub(super) fn next(link: &str) -> Option<&str> {
    link.split(", <").find_map(|it| {
        let (address, about) = it.trim_start_matches('<').split_once('>')?;
        let is_next = about.split(';').any(|it| matches!(it.trim(), "rel=\"next\"" | "rel=next"));
        is_next.then_some(address)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_others() {
        let link = "<https://api.github.com/repositories/1/x?page=1>; rel=\"prev\", \
                    <https://api.github.com/repositories/1/x?page=3>; rel=\"next\", <https://h/x?page=9>; rel=\"last\"";
        assert_eq!(next(link), Some("https://api.github.com/repositories/1/x?page=3"));
        for link in ["", "<", "<x>", "<https://h/x>; rel=\"last\"", "rel=\"next\"", "<x; rel=next", ",,,;"] {
            assert_eq!(next(link), None, "{link}");
        }
    }
}
