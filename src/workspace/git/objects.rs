//! Reads any number of objects by one start of git, or by few where they are large.
use crate::workspace::WorkspaceError;
use crate::workspace::git::command::Git;
use crate::workspace::git::command::complaint;

/// The contents of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blob {
    pub(super) bytes: Vec<u8>,
    /// Whether there is more of it than was asked for.
    pub(super) is_cut: bool,
}

/// Returns the files that `names` stand for, in their order, `None` for what is no file. About `max_bytes` of each are read at most.
///
/// A name is an object's id, or a commit's id with `:` and a path; it holds no line break.
pub(super) async fn blobs(git: &Git, names: &[String], max_bytes: usize) -> Result<Vec<Option<Blob>>, WorkspaceError> {
    let git = git.clone().max_output(max_bytes);
    let mut found = Vec::with_capacity(names.len());
    // What did not fit into one answer is asked for again.
    while let Some(names) = names.get(found.len()..).filter(|it| !it.is_empty()) {
        let asked: String = names.iter().flat_map(|it| [it.as_str(), "\n"]).collect();
        let output = git.output(&["cat-file", "--batch"], Some(asked.as_bytes())).await?;
        if output.code != Some(0) && !output.truncated {
            return Err(WorkspaceError::Git(complaint(&output)));
        }
        let (whole, rest) = answers(&output.stdout);
        let is_stuck = whole.is_empty();
        found.extend(whole.into_iter().take(names.len()));
        if is_stuck {
            found.push(rest.map(|bytes| Blob { bytes: bytes.to_vec(), is_cut: true }));
        }
    }
    Ok(found)
}

/// Reads the answers that are there whole, and what there is of the contents of the next.
fn answers(mut output: &[u8]) -> (Vec<Option<Blob>>, Option<&[u8]>) {
    let mut whole = Vec::new();
    while let Some(end) = output.iter().position(|it| *it == b'\n') {
        let (head, rest) = (String::from_utf8_lossy(&output[..end]), &output[end + 1..]);
        let Some((kind, size)) = object(&head) else {
            whole.push(None);
            output = rest;
            continue;
        };
        let (Some(bytes), Some(b'\n')) = (rest.get(..size), rest.get(size)) else {
            return (whole, (kind == "blob").then_some(rest));
        };
        whole.push((kind == "blob").then(|| Blob { bytes: bytes.to_vec(), is_cut: false }));
        output = &rest[size + 1..];
    }
    (whole, None)
}

/// Reads `ID KIND SIZE`. What is missing is told by its name, whose first word is no id or its second no kind.
fn object(head: &str) -> Option<(&str, usize)> {
    let mut parts = head.split(' ');
    let (id, kind, size) = (parts.next()?, parts.next()?, parts.next()?.parse().ok()?);
    let is_id = matches!(id.len(), 40 | 64) && id.bytes().all(|it| it.is_ascii_hexdigit());
    (is_id && parts.next().is_none()).then_some((kind, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart_and_a_cut_one_is_not_whole() {
        let id = "0123456789".repeat(4);
        let output =
            format!("{id} blob 4\na\nb\n\n{id}:x blob 3 missing\n{id} missing\n{id} tree 3\n1\n2\n{id} blob 0\n\n");
        let blob = |text: &str| Some(Blob { bytes: text.into(), is_cut: false });
        let whole = vec![blob("a\nb\n"), None, None, None, blob("")];
        assert_eq!(answers(output.as_bytes()), (whole.clone(), None));
        let cut = format!("{output}{id} blob 18446744073709551615\ncut\n");
        assert_eq!(answers(cut.as_bytes()), (whole, Some(&b"cut\n"[..])));
        assert_eq!(answers(format!("{id} blob 3\nabc").as_bytes()), (vec![], Some(&b"abc"[..])));
        assert_eq!(answers(format!("{id} blo").as_bytes()), (vec![], None));
    }
}
