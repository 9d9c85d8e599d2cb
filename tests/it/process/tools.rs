//! Our own tools: what they get, and how they end.
use crate::process::LONG;
use crate::process::launcher;
use paramedic::process::SandboxChoice;
use paramedic::process::Tool;
use paramedic::process::ToolOutput;
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::time::Duration;

async fn sh(script: &str, stdin: Option<&[u8]>, timeout: Duration) -> io::Result<ToolOutput> {
    let args = [OsStr::new("-c"), OsStr::new(script)];
    let tool = Tool {
        program: "sh",
        args: &args,
        cwd: Path::new("/"),
        env: &[("GIVEN", OsStr::new("yes"))],
        stdin,
        timeout,
        max_output: 100_000,
    };
    launcher(SandboxChoice::Off).tool(&tool).await
}

#[tokio::test]
async fn a_tool_gets_its_input_and_a_clean_environment() {
    let output = sh("cat; pwd; echo $GIVEN-$LANG-$CARGO_MANIFEST_DIR >&2; exit 3", Some(b"in\n"), LONG).await.unwrap();
    assert_eq!(output.code, Some(3));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "in\n/\n");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "yes-C-\n");
    assert!(!output.truncated);
}

#[tokio::test]
async fn what_a_tool_prints_is_bounded_and_the_rest_is_said_to_be_missing() {
    let output = sh("head -c 5000000 /dev/zero; echo done >&2", None, LONG).await.unwrap();
    assert_eq!((output.code, output.stdout.len(), output.truncated), (Some(0), 100_000, true));
    assert_eq!(output.stderr, b"done\n");
}

#[tokio::test]
async fn a_tool_that_does_not_read_its_input_is_no_error() {
    let input = vec![b'x'; 4_000_000];
    assert_eq!(sh("exit 0", Some(&input), LONG).await.unwrap().code, Some(0));
}

#[tokio::test]
async fn a_tool_is_cut_by_its_time_limit() {
    let error = sh("sleep 600 & sleep 600", None, Duration::from_millis(300)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_background_process_that_holds_the_pipe_does_not_hang_us() {
    let output = sh("sleep 600 & echo $!", None, LONG).await.unwrap();
    assert_eq!(output.code, Some(0));
}

#[tokio::test]
async fn a_missing_tool_is_named() {
    let tool = Tool {
        program: "no-such-tool-anywhere",
        args: &[],
        cwd: Path::new("/"),
        env: &[],
        stdin: None,
        timeout: LONG,
        max_output: 10,
    };
    let error = launcher(SandboxChoice::Off).tool(&tool).await.unwrap_err();
    assert!(error.to_string().contains("no-such-tool-anywhere"), "{error}");
}
