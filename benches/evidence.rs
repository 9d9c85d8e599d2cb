//! How fast evidence is read out of logs, by kind of log: `cargo bench --bench evidence`.
#![expect(clippy::print_stdout, reason = "prints its table")]
#![expect(clippy::disallowed_methods, reason = "measures time")]

use paramedic::evidence::extractor::ExitHint;
use paramedic::evidence::extractor::Extractor;
use paramedic::evidence::extractor::Options;
use paramedic::evidence::mask::Masker;
use std::time::Instant;

const LINES: u64 = 200_000;
const CHUNK: usize = 64 * 1024;

fn main() {
    let lines = |line: &dyn Fn(u64) -> String| (0..LINES).map(line).collect::<Vec<_>>().join("\n").into_bytes();
    let logs = [
        ("nothing to say", lines(&|n| format!("step {n}: doing the usual thing with file {n} and going on"))),
        ("passing tests", lines(&|n| format!("test_a{n} (package.module.Class.test_a{n}) ... ok"))),
        ("one error again and again", lines(&|n| format!("Error: request {n} failed with the usual words"))),
        ("errors, all different", lines(&|n| format!("Error: {:x} failed", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))),
        (
            "errors, beyond ASCII",
            lines(&|n| format!("AssertionError: \u{fffd} {n} != {:x} …", n.wrapping_mul(0x9e37_79b9))),
        ),
        ("one line", vec![b'x'; 32 << 20]),
    ];
    for (name, log) in &logs {
        report("extract", name, log.len(), || {
            let mut extractor = Extractor::new(Options::default());
            log.chunks(CHUNK).for_each(|chunk| extractor.push(chunk));
            extractor.finish(ExitHint::Failed).total_lines
        });
        let masker = Masker::new(["correct-horse".to_owned()]);
        report("mask", name, log.len(), || masker.mask_bytes(log).len() as u64);
    }
}

fn report(what: &str, name: &str, n_bytes: usize, run: impl Fn() -> u64) {
    let start = Instant::now();
    std::hint::black_box(run());
    let elapsed = start.elapsed();
    let per_second = n_bytes as u128 / elapsed.as_micros().max(1);
    println!("{what:8} {name:28} {:>4} MB {elapsed:>10.1?} {per_second:>6} MB/s", n_bytes >> 20);
}
