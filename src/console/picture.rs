//! Draws a screen as SVG, for the pictures in the README.
use ratatui::buffer::Buffer;
use ratatui::buffer::Cell;
use ratatui::style::Color;
use ratatui::style::Modifier;
use std::fmt::Write as _;
use unicode_width::UnicodeWidthStr as _;

const CELL_WIDTH: f32 = 8.4;
const CELL_HEIGHT: f32 = 16.0;
const MARGIN: f32 = 12.0;

/// The colours a terminal gives to "default".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paper {
    pub foreground: (u8, u8, u8),
    pub background: (u8, u8, u8),
}

impl Paper {
    /// Light text on a dark ground.
    pub const DARK: Self = Self { foreground: (0xd0, 0xd0, 0xd0), background: (0x16, 0x18, 0x1d) };
    /// Dark text on a light ground.
    pub const LIGHT: Self = Self { foreground: (0x26, 0x26, 0x26), background: (0xff, 0xff, 0xff) };
}

/// Returns the picture of a screen.
pub fn svg(buffer: &Buffer, paper: Paper) -> String {
    let area = buffer.area;
    let width = f32::from(area.width) * CELL_WIDTH + 2.0 * MARGIN;
    let height = f32::from(area.height) * CELL_HEIGHT + 2.0 * MARGIN;
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0}" height="{height:.0}" viewBox="0 0 {width:.0} {height:.0}" font-family="'DejaVu Sans Mono','JetBrains Mono',Menlo,Consolas,monospace" font-size="14" xml:space="preserve">"#
    );
    let _ = writeln!(svg, r#"<rect width="100%" height="100%" rx="8" fill="{}"/>"#, hex(paper.background));
    for y in area.y..area.bottom() {
        for run in runs(buffer, y, paper) {
            run.draw(&mut svg, y - area.y);
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Cells beside each other that look the same.
#[derive(Debug)]
struct Run {
    x: u16,
    columns: u16,
    text: String,
    look: Look,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    foreground: (u8, u8, u8),
    background: Option<(u8, u8, u8)>,
    modifier: Modifier,
}

fn runs(buffer: &Buffer, y: u16, paper: Paper) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut x = buffer.area.x;
    while x < buffer.area.right() {
        let cell = &buffer[(x, y)];
        let symbol = cell.symbol();
        let columns = u16::try_from(symbol.width()).unwrap_or(1).max(1);
        let look = Look::of(cell, paper);
        match runs.last_mut() {
            // A wide or foreign sign may be drawn wider than its cells, so that text after it would drift: it stands alone.
            Some(run) if run.look == look && symbol.is_ascii() && run.text.is_ascii() => {
                run.text.push_str(symbol);
                run.columns += columns;
            }
            _ => runs.push(Run { x: x - buffer.area.x, columns, text: symbol.to_owned(), look }),
        }
        x += columns;
    }
    runs
}

impl Run {
    fn draw(&self, svg: &mut String, y: u16) {
        let left = f32::from(self.x) * CELL_WIDTH + MARGIN;
        let top = f32::from(y) * CELL_HEIGHT + MARGIN;
        let width = f32::from(self.columns) * CELL_WIDTH;
        if let Some(background) = self.look.background {
            let fill = hex(background);
            let _ = writeln!(
                svg,
                r#"<rect x="{left:.1}" y="{top:.1}" width="{width:.1}" height="{CELL_HEIGHT}" fill="{fill}"/>"#
            );
        }
        if self.text.trim().is_empty() {
            return;
        }
        let mut style = format!(r#"fill="{}""#, hex(self.look.foreground));
        for (modifier, attribute) in [
            (Modifier::BOLD, r#" font-weight="bold""#),
            (Modifier::ITALIC, r#" font-style="italic""#),
            (Modifier::UNDERLINED, r#" text-decoration="underline""#),
            (Modifier::DIM, r#" opacity="0.65""#),
        ] {
            if self.look.modifier.contains(modifier) {
                style.push_str(attribute);
            }
        }
        let baseline = top + CELL_HEIGHT * 0.76;
        let text = escape(&self.text);
        let _ = writeln!(svg, r#"<text x="{left:.1}" y="{baseline:.1}" textLength="{width:.1}" {style}>{text}</text>"#);
    }
}

impl Look {
    fn of(cell: &Cell, paper: Paper) -> Self {
        let foreground = rgb(cell.fg).unwrap_or(paper.foreground);
        let background = rgb(cell.bg);
        let modifier = cell.modifier;
        if modifier.contains(Modifier::REVERSED) {
            return Self { foreground: background.unwrap_or(paper.background), background: Some(foreground), modifier };
        }
        Self { foreground, background, modifier }
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn hex((red, green, blue): (u8, u8, u8)) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// Returns a colour as every xterm shows it; `None` for the terminal's own.
fn rgb(color: Color) -> Option<(u8, u8, u8)> {
    let index = match color {
        Color::Reset => return None,
        Color::Rgb(red, green, blue) => return Some((red, green, blue)),
        Color::Indexed(index) => index,
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 8,
        Color::LightRed => 9,
        Color::LightGreen => 10,
        Color::LightYellow => 11,
        Color::LightBlue => 12,
        Color::LightMagenta => 13,
        Color::LightCyan => 14,
        Color::White => 15,
    };
    Some(indexed(index))
}

fn indexed(index: u8) -> (u8, u8, u8) {
    const BASE: [(u8, u8, u8); 16] = [
        (0x00, 0x00, 0x00),
        (0xcd, 0x31, 0x31),
        (0x0d, 0xbc, 0x79),
        (0xe5, 0xe5, 0x10),
        (0x24, 0x72, 0xc8),
        (0xbc, 0x3f, 0xbc),
        (0x11, 0xa8, 0xcd),
        (0xe5, 0xe5, 0xe5),
        (0x66, 0x66, 0x66),
        (0xf1, 0x4c, 0x4c),
        (0x23, 0xd1, 0x8b),
        (0xf5, 0xf5, 0x43),
        (0x3b, 0x8e, 0xea),
        (0xd6, 0x70, 0xd6),
        (0x29, 0xb8, 0xdb),
        (0xff, 0xff, 0xff),
    ];
    let level = |n: u8| if n == 0 { 0 } else { 55 + n * 40 };
    match index {
        0..16 => BASE[usize::from(index)],
        16..232 => {
            let n = index - 16;
            (level(n / 36), level(n / 6 % 6), level(n % 6))
        }
        232.. => {
            let grey = 8 + (index - 232) * 10;
            (grey, grey, grey)
        }
    }
}

/// Returns the WCAG contrast of a style's text against its ground.
pub fn contrast(foreground: Color, background: Color, paper: Paper) -> f64 {
    let luminance = |(red, green, blue): (u8, u8, u8)| {
        let linear = |channel: u8| {
            let part = f64::from(channel) / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
    };
    let text = luminance(rgb(foreground).unwrap_or(paper.foreground));
    let ground = luminance(rgb(background).unwrap_or(paper.background));
    (text.max(ground) + 0.05) / (text.min(ground) + 0.05)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    #[test]
    fn a_picture_holds_text_colours_and_grounds() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 10, 1));
        buffer.set_string(0, 0, "a<b", Style::new().fg(Color::Indexed(196)));
        buffer.set_string(4, 0, "日x", Style::new().bg(Color::Rgb(1, 2, 3)).add_modifier(Modifier::BOLD));
        let svg = svg(&buffer, Paper::DARK);
        assert!(svg.contains(r##"fill="#ff0000">a&lt;b</text>"##), "{svg}");
        assert!(svg.contains(r##"fill="#010203""##), "{svg}");
        assert!(svg.contains("font-weight"), "{svg}");
        // The wide sign starts in column 4 and the x after it in column 6.
        assert!(svg.contains(r#"<text x="45.6""#) && svg.contains(r#"<text x="62.4""#), "{svg}");
    }

    #[test]
    fn contrast_is_one_for_equal_and_twenty_one_for_black_on_white() {
        let paper = Paper::DARK;
        assert!((contrast(Color::Indexed(16), Color::Indexed(231), paper) - 21.0).abs() < 0.01);
        assert!((contrast(Color::Indexed(16), Color::Indexed(16), paper) - 1.0).abs() < 0.01);
    }
}
