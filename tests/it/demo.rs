//! The demonstration ends as its stories tell.
use crate::support::World;

#[test]
fn every_story_ends_as_told() {
    let world = World::new();
    let place = world.dir.path().join("demo");
    let ran = world.run(&["demo", "--headless", "--json", "--dir", place.to_str().unwrap()]);
    let report = ran.json();
    for story in report["stories"].as_array().unwrap() {
        assert_eq!(story["asExpected"], true, "{story:#}");
        let is_recorded = story["run"]["attempts"].as_array().unwrap().iter().any(|it| it["recorded"] == true);
        let is_scripted = story["run"]["attempts"].as_array().unwrap().iter().any(|it| it["author"] == "scripted");
        assert_eq!(is_recorded, is_scripted, "a recorded answer says so: {}", story["name"]);
    }
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(report["stories"].as_array().unwrap().len() >= 7);
    let again = world.run(&["demo", "--headless", "--dir", place.to_str().unwrap()]);
    assert_eq!(again.code, 2, "a used folder is refused: {again:#?}");
}
