use super::harness::Console;
#[test]
fn scratch() {
    for (c, r) in [(80, 24), (120, 36), (160, 48), (60, 16)] {
        for keys in ["", "enter", "enter d", "enter l", "A", "F", "F enter", "?", ":"] {
            let mut console = Console::new();
            console.press(keys);
            println!("=== {keys} {c}x{r}\n{}", console.screen_at(c, r));
        }
    }
}
