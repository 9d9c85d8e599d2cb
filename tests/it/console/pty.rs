//! The real binary in a real terminal: it starts, is walked through, decides, and gives the terminal back however it ends.
use crate::support::{BUGGY, RIGHT, World, eventually};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read as _, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// What the program has sent, raw and as a terminal shows it.
struct Shown {
    bytes: Vec<u8>,
    terminal: vt100::Parser,
}

/// A console in a terminal of its own; killed at the end.
pub(super) struct Session {
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    shown: Arc<Mutex<Shown>>,
}

impl Session {
    pub(super) fn start(world: &World, (columns, rows): (u16, u16), env: &[(&str, &str)]) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let hermetic = world.command(&[]);
        let mut command = CommandBuilder::new(hermetic.get_program());
        command.env_clear();
        command.cwd(world.dir.path());
        for (name, value) in hermetic.get_envs() {
            command.env(name, value.unwrap());
        }
        for (name, value) in env {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        let shown = Shown { bytes: Vec::new(), terminal: vt100::Parser::new(rows, columns, 0) };
        let shown = Arc::new(Mutex::new(shown));
        let mut output = pair.master.try_clone_reader().unwrap();
        let sink = Arc::clone(&shown);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = output.read(&mut buffer) {
                let mut shown = sink.lock().unwrap();
                shown.bytes.extend_from_slice(&buffer[..n]);
                shown.terminal.process(&buffer[..n]);
            }
        });
        let keyboard = pair.master.take_writer().unwrap();
        Self { master: pair.master, keyboard, child, shown }
    }

    pub(super) fn press(&mut self, keys: &str) -> &mut Self {
        self.keyboard.write_all(keys.as_bytes()).and_then(|()| self.keyboard.flush()).unwrap();
        self
    }

    /// Presses escape until `text` is gone: with a key right behind it, it would be the alt key.
    pub(super) fn leave(&mut self, text: &str) -> &mut Self {
        self.press("\x1b");
        eventually(&format!("`{text}` is gone"), || (!self.screen().contains(text)).then_some(()));
        self
    }

    pub(super) fn screen(&self) -> String {
        self.shown.lock().unwrap().terminal.screen().contents()
    }

    pub(super) fn wait_for(&mut self, text: &str) -> &mut Self {
        eventually(&format!("`{text}` on the screen"), || self.screen().contains(text).then_some(()));
        self
    }

    /// Presses `y` until the dialog, deaf at first, takes it.
    pub(super) fn confirm(&mut self, question: &str, answer: &str) {
        self.wait_for(question);
        eventually(answer, || {
            if self.screen().contains(question) {
                self.press("y");
            }
            self.screen().contains(answer).then_some(())
        });
    }

    fn resize(&mut self, columns: u16, rows: u16) {
        self.shown.lock().unwrap().terminal.screen_mut().set_size(rows, columns);
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        self.master.resize(size).unwrap();
    }

    fn signal(&self, name: &str) {
        let pid = self.child.process_id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits for the end and checks that the terminal is as it was.
    pub(super) fn assert_given_back(&mut self) {
        let status = eventually("the console ends", || self.child.try_wait().unwrap());
        assert_eq!(status.exit_code(), 0, "{status:?}: {}", self.screen());
        eventually("the terminal is given back", || {
            let shown = self.shown.lock().unwrap();
            let screen = shown.terminal.screen();
            let is_back = !screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste();
            is_back.then_some(())
        });
    }
}

impl Drop for Session {
    #[expect(clippy::print_stderr, reason = "what a test that fails saw last")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.screen());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_person_walks_the_screens_approves_and_quits() {
    let world = World::with_repo(BUGGY);
    world.heal(RIGHT, &[]);
    for size in [(80, 24), (160, 48)] {
        let mut session = Session::start(&world, size, &[]);
        session.wait_for("who needs you first").wait_for("NEEDS YOU");
        session.press("\r").wait_for("Attempts").wait_for("proved");
        session.press("d").wait_for("return a + b");
        session.press("l").wait_for("▸base ").wait_for("FAIL: test_add");
        session.press("?").wait_for("Help");
        session.press("qqqq").wait_for("who needs you first");
        session.press(":").wait_for("Command palette");
        session.leave("Command palette").press("q").assert_given_back();
    }
    let mut session = Session::start(&world, (80, 24), &[]);
    session.wait_for("a proved patch waits").press("A").confirm("y = approve", "APPROVED");
    session.wait_for("merge --no-ff").wait_for("copy the command");
    session.leave("copy the command").wait_for("RESOLVED").wait_for("merge --no-ff");
    session.press("q").assert_given_back();
    assert_eq!(world.run(&["show", "latest", "--json"]).json()["status"], "resolved");
    world.assert_clean();
}

#[test]
fn whatever_ends_the_console_the_terminal_is_given_back() {
    let world = World::new();
    for signal in ["TERM", "HUP", "INT"] {
        let mut session = Session::start(&world, (80, 24), &[]);
        session.wait_for("No runs yet");
        session.signal(signal);
        session.assert_given_back();
    }
    let mut session = Session::start(&world, (80, 24), &[]);
    session.wait_for("No runs yet").press("\x03\x03").assert_given_back();
}

#[test]
fn a_window_may_change_its_size_at_any_time() {
    let world = World::with_repo(BUGGY);
    world.heal(RIGHT, &[]);
    let mut session = Session::start(&world, (80, 24), &[]);
    session.wait_for("NEEDS YOU");
    for n in 0..60_u16 {
        session.resize(1 + n * 37 % 200, 1 + n * 11 % 60);
        session.press(["j", "\r", "d", "l", "q", "?"][usize::from(n) % 6]);
    }
    session.resize(60, 16);
    eventually("the way back ends at the queue, and out", || {
        session.press("q");
        session.child.try_wait().unwrap()
    });
    session.assert_given_back();
}

/// Checks that all a terminal got is text and what our own library sends: cursor moves, colours, clearing, modes.
fn assert_harmless(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap();
    let mut chars = text.char_indices().peekable();
    while let Some((at, ch)) = chars.next() {
        let around = || text[at..].chars().take(40).collect::<String>();
        if ch == '\x1b' {
            assert_eq!(chars.next().map(|it| it.1), Some('['), "{:?}", around());
            while chars.next_if(|(_, it)| "0123456789;:?".contains(*it)).is_some() {}
            assert!(chars.next().is_some_and(|(_, it)| "HJmhl".contains(it)), "{:?}", around());
        } else {
            let is_text = !ch.is_control() && !"\u{202a}\u{202c}\u{202e}\u{2066}\u{200b}".contains(ch);
            assert!(is_text || "\r\n".contains(ch), "{:?}", around());
        }
    }
}

#[test]
fn a_run_that_moves_on_can_be_aborted() {
    let world = World::with_repo(BUGGY);
    let repo = world.repo();
    let agent = "while :; do sleep 1; done";
    let test = "python3 -m unittest -q";
    let mut heal = world.spawn(&["heal", "--repo", repo.to_str().unwrap(), "--test", test, "--agent-command", agent]);
    let mut session = Session::start(&world, (80, 24), &[]);
    session.wait_for("HEALING").wait_for("is being").press("X").wait_for("ABORT run ");
    let screen = session.screen();
    let id = screen.split("ABORT run ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    eventually("the agent's turn", || {
        let run = world.run(&["show", "latest", "--json"]).json();
        (run["attemptCount"] == 1).then_some(())
    });
    eventually("the dialog listens", || {
        session.press("y");
        session.screen().contains("then type").then_some(())
    });
    session.press("\t").wait_for("then y confirms").press(&id).press("\r").confirm("y = abort", "ABORTED");
    assert_eq!(heal.wait().unwrap().code(), Some(1));
    session.leave("copy this").press("q").assert_given_back();
    world.assert_clean();
}

#[test]
fn nothing_hostile_reaches_the_terminal() {
    let hostile = "import sys, unittest\n\nclass T(unittest.TestCase):\n    def test(self):\n        sys.stdout.buffer.write(b'\\x1b]52;c;ZXZpbA==\\x07\\x1b]0;owned\\x07\\x1bPq\\x1b\\\\\\x1bc\\x0e\\x08\\xff\\xfe\\n')\n        sys.stdout.buffer.write('\\u202egnp.exe\\u200b \\u009b31m \\u0090q\\u009c\\n'.encode())\n        sys.stdout.buffer.write(b'y' * 1000000 + b'\\n')\n        self.fail('\\x1b]0;x\\x07 \\u202e the end')\n";
    let world = World::with_repo(&[("test_evil.py", hostile), ("evil.py", "x = 1\n")]);
    world.git(&["checkout", "-q", "-b", "feature/\u{202e}evil"]);
    let agent =
        "printf 'x = 2  # \\033]0;t\\007\\342\\200\\256\\n' > evil.py; printf '\\033]0;t\\007done\\342\\200\\256\\n'";
    world.heal(agent, &["--max-attempts", "1"]);
    let mut session = Session::start(&world, (120, 36), &[]);
    session.wait_for("ESCALATED").press("\r").wait_for("Attempts").press("d").wait_for("x = 2");
    session.press("l").wait_for("▸base ").wait_for("the end");
    session.press("w").press("G").press("\t\t").press("w").press("g").wait_for("Log");
    session.press("q").press("q").press("q").wait_for("who needs you first");
    session.press("F").wait_for("How do you want").press("\r").wait_for("ctrl-s send").leave("ctrl-s send");
    session.leave("How do you want").wait_for("who needs you first").press("q").assert_given_back();
    assert_harmless(&session.shown.lock().unwrap().bytes);
}

#[test]
fn a_fix_goes_through_the_editor_and_is_healed_here() {
    let world = World::with_repo(BUGGY);
    world.heal("sed -i 's/a - b/a * b/' calc.py", &["--max-attempts", "1"]);
    let editor = "printf '\\033[?1049h\\033[2Jthe editor'; sed -i 's/a \\* b/a + b/' \"$1\"; printf '\\033[?1049l'";
    let editor = format!("sh {}", save(world.dir.path(), "editor.sh", editor));
    let mut session = Session::start(&world, (80, 24), &[("EDITOR", &editor)]);
    session.wait_for("ESCALATED").press("\r").wait_for("Attempts").press("e").wait_for("the editor's text is kept");
    session.wait_for("return a + b").press("\x13").confirm("y = send", "SENT");
    session.leave("SENT").wait_for("NEEDS YOU").wait_for("proved");
    session.press("\x03\x03").assert_given_back();
    let run = world.run(&["show", "latest", "--json"]).json();
    assert_eq!((&run["status"], &run["attempts"][1]["author"]), (&"fixed".into(), &"human:tester".into()), "{run:#}");
    world.assert_clean();
}

fn save(folder: &Path, name: &str, text: &str) -> String {
    std::fs::write(folder.join(name), text).unwrap();
    folder.join(name).display().to_string()
}
