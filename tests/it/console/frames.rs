//! What a person sees, screen by screen, in four sizes; and that what is told is never told by colour alone.
use super::fixture;
use super::harness::Console;
use super::harness::opening;
use super::harness::text;
use paramedic::console::model::Opening;
use paramedic::console::picture::Paper;
use paramedic::console::picture::contrast;
use paramedic::console::recorder::frame;
use paramedic::console::theme::Role;
use paramedic::console::theme::Theme;
use paramedic::console::view::view;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

/// The screens, with the keys that lead there.
const SCREENS: &[(&str, &str)] = &[
    ("queue", ""),
    ("run", "enter"),
    ("review", "enter d ]"),
    ("log", "enter l"),
    ("fix", "F"),
    ("editor", "F enter"),
    ("ci", "c j j j"),
    ("ci_run", "c j j j enter"),
    ("ci_log", "c j j j enter l"),
    ("ci_rerun", "c j j j enter R"),
    ("help", "?"),
    ("palette", ":"),
    ("approve", "enter d A"),
    ("deny", "D"),
    ("abort", "X"),
];

#[test]
fn every_screen_in_every_size() {
    for (columns, rows) in [(60, 16), (80, 24), (120, 36), (160, 48)] {
        for (name, keys) in SCREENS {
            let mut console = Console::with(&Opening { columns, rows, ..opening() }, fixture::backlog());
            console.press(keys);
            insta::assert_snapshot!(format!("{name}_{columns}x{rows}"), console.screen());
        }
    }
}

#[test]
fn other_runs_look_right_too() {
    for (name, keys) in [
        ("escalated", "j j enter"),
        ("running", "j j j j enter"),
        ("recorded", "j enter d"),
        ("queued", "j j j j j enter"),
    ] {
        let mut console = Console::new();
        console.press(keys).wait(1_000);
        insta::assert_snapshot!(format!("{name}_80x24"), console.screen());
    }
}

#[test]
fn an_empty_backlog_says_how_to_begin() {
    let console = Console::with(&opening(), Vec::new());
    assert!(console.screen().contains("paramedic heal"), "{}", console.screen());
}

#[test]
fn a_window_that_is_too_small_says_the_one_fact_that_matters() {
    for (columns, rows) in [(59, 16), (60, 15), (20, 3), (1, 1)] {
        let mut console = Console::new();
        let screen = console.screen_at(columns, rows);
        assert!(
            screen.starts_with(&"⚑ 4 need you".chars().take(usize::from(columns).min(12)).collect::<String>())
                || columns == 1
        );
    }
}

#[test]
fn any_size_can_be_drawn_on_any_screen() {
    for (_, keys) in SCREENS {
        let mut console = Console::new();
        console.press(keys).wait(600);
        for (columns, rows) in
            [(60, 16), (61, 17), (79, 23), (119, 16), (120, 16), (200, 17), (60, 90), (400, 120), (2, 2)]
        {
            console.screen_at(columns, rows);
        }
    }
}

#[test]
fn without_colour_the_same_is_said() {
    for (_, keys) in SCREENS {
        let mut console = Console::new();
        console.press(keys);
        let mono = frame(&console.model, &Theme::named("mono").unwrap());
        assert_eq!(text(&mono), console.screen());
        assert!(mono.content.iter().all(|it| (it.fg, it.bg) == (Color::Reset, Color::Reset)));
    }
}

#[test]
fn ascii_mode_draws_ascii_alone() {
    let mut theme = Theme::named("mono").unwrap();
    theme.is_ascii = true;
    for (name, keys) in SCREENS {
        let mut console = Console::new();
        console.press(keys);
        let drawn = text(&frame(&console.model, &theme));
        assert!(drawn.is_ascii(), "{name}: {:?}", drawn.chars().find(|it| !it.is_ascii()));
    }
}

#[test]
fn text_can_be_read_on_its_ground() {
    for (name, paper) in [("dark", Paper::DARK), ("light", Paper::LIGHT)] {
        let theme = Theme::named(name).unwrap();
        for role in Role::ALL {
            let style = theme.style(*role);
            let (Some(fg), ground) = (style.fg, style.bg.unwrap_or(Color::Reset)) else { continue };
            let needed = if matches!(role, Role::Border) { 1.5 } else { 4.5 };
            let is = contrast(fg, ground, paper);
            assert!(needed <= is, "{name}: {role} has a contrast of {is:.1}");
        }
        // Words and code on the grounds of a diff and of the cursor.
        for ground in [Role::GroundAdded, Role::GroundRemoved, Role::Selection] {
            for ink in [Role::Text, Role::SyntaxKeyword, Role::SyntaxString, Role::SyntaxNumber, Role::SyntaxFunction] {
                let is = contrast(theme.style(ink).fg.unwrap(), theme.style(ground).bg.unwrap(), paper);
                assert!(3.0 <= is, "{name}: {ink} on {ground} has a contrast of {is:.1}");
            }
        }
    }
}

#[test]
fn a_window_that_changed_before_it_was_told_is_left_blank() {
    let console = Console::new();
    let mut terminal = Terminal::new(TestBackend::new(40, 10)).unwrap();
    terminal.draw(|frame| view(&console.model, &Theme::named("dark").unwrap(), frame)).unwrap();
    assert!(text(terminal.backend().buffer()).trim().is_empty());
}

#[test]
fn that_nobody_works_is_said() {
    let mut console = Console::new();
    assert!(!console.screen().contains("no worker"));
    console.model.queue.summary.workers = Some(0);
    assert!(console.screen().contains("· no worker is running"), "{}", console.screen());
    console.model.queue.summary.workers = Some(1);
    assert!(!console.screen().contains("no worker"));
}
