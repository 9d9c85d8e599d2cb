//! `paramedic operator`, as people call it.
use crate::access::assert_nowhere;
use crate::support::World;
use serde_json::{Value, json};

fn token_of(world: &World, args: &[&str]) -> String {
    let ran = world.run(&[&["operator", "--json"], args].concat());
    assert_eq!(ran.code, 0, "{ran:#?}");
    ran.json()["token"].as_str().unwrap().to_owned()
}

#[test]
fn an_operator_comes_and_goes() {
    let world = World::new();
    let ran = world.run(&["operator", "add", "Ann Lee", "--role", "operator", "--json", "--as", "root"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    let first = ran.json();
    let token = first["token"].as_str().unwrap().to_owned();
    assert_eq!(first, json!({ "name": "Ann Lee", "role": "operator", "token": token }));
    assert!(token.starts_with("pmd_") && token.len() == 68, "{token}");
    // For a person the token stands alone, so that it can be piped.
    let plain = world.run(&["operator", "add", "bob", "--role", "viewer"]);
    assert!(plain.stdout.starts_with("pmd_") && plain.stdout.lines().count() == 1, "{plain:#?}");
    assert!(plain.stderr.contains("not shown again") && !plain.stderr.contains("pmd_"), "{plain:#?}");

    let same_name = world.run(&["operator", "add", "bob", "--role", "admin"]);
    assert_eq!((same_name.code, same_name.stdout.as_str()), (3, ""), "{same_name:#?}");
    assert!(same_name.stderr.contains("operator token"), "{}", same_name.stderr);
    let same_person = world.run(&["operator", "add", "Bob", "--role", "admin"]);
    assert!(same_person.code == 3 && same_person.stderr.contains("operator bob already"), "{same_person:#?}");
    let second = token_of(&world, &["token", "Ann Lee"]);
    assert_ne!(token, second);
    assert_eq!(world.run(&["operator", "revoke", "bob", "--as", "root"]).code, 0);
    let again = world.run(&["operator", "revoke", "bob"]);
    assert!(again.code == 0 && again.stdout.contains("nothing changed"), "{again:#?}");
    let dead = world.run(&["operator", "token", "bob"]);
    assert!(dead.code == 3 && dead.stderr.contains("operator add"), "{dead:#?}");
    token_of(&world, &["add", "bob", "--role", "admin"]);

    let listed = world.run(&["operator", "list", "--json"]).json();
    let short = |it: &Value| format!("{} {} {}", it["name"], it["role"], it["revokedAt"].is_null());
    let all: Vec<String> = listed["data"].as_array().unwrap().iter().map(short).collect();
    assert_eq!(all, ["\"Ann Lee\" \"operator\" true", "\"bob\" \"viewer\" false", "\"bob\" \"admin\" true"]);
    let table = world.run(&["operator", "list"]).stdout;
    assert!(table.contains("Ann Lee") && !table.contains("pmd_") && !listed.to_string().contains("Hash"), "{table}");
    assert_nowhere(world.dir.path(), &[&token, &second, plain.stdout.trim()]);

    let exported = world.run(&["audit", "export"]).stdout;
    let facts: Vec<Value> = exported.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    let told: Vec<String> = facts.iter().map(|it| format!("{} {}", it["type"], it["actor"])).collect();
    assert_eq!(
        told,
        [
            "\"operator.added\" \"human:root\"",
            "\"operator.added\" \"human:tester\"",
            "\"operator.token-issued\" \"human:tester\"",
            "\"operator.revoked\" \"human:root\"",
            "\"operator.added\" \"human:tester\"",
        ]
    );
    world.assert_clean();
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let world = World::new();
    let long = "a".repeat(65);
    for (args, code, says) in [
        (vec!["add", "ann"], 2, "--role"),
        (vec!["add", "ann", "--role", "root"], 2, "viewer, operator, admin"),
        (vec!["add", "a:b", "--role", "viewer"], 2, "a:b"),
        (vec!["add", "\u{1b}[31m", "--role", "viewer"], 2, "name"),
        (vec!["add", "-x", "--role", "viewer"], 2, "beginning with a letter"),
        (vec!["add", "--role", "viewer", "--", "-x"], 2, "beginning with a letter"),
        (vec!["add", "..", "--role", "viewer"], 2, "beginning with a letter"),
        (vec!["add", "ann\u{202e}nna", "--role", "viewer"], 2, "letters, digits"),
        (vec!["add", &long, "--role", "viewer"], 2, "1 to 64"),
        (vec!["add", "System", "--role", "admin"], 2, "choose another name"),
        (vec!["add", "--role", "viewer"], 2, "NAME"),
        (vec!["add", "ann", "--role", "viewer", "--read-only"], 5, "read-only"),
        (vec!["add", "ann", "--role", "viewer", "--password-stdin"], 2, "at least 8"),
        (vec!["revoke", "nobody"], 1, "operator list"),
        (vec!["token", "nobody"], 1, "nobody"),
        (vec!["password", "nobody"], 2, "--password-stdin"),
    ] {
        let ran = world.run(&[&["operator"], args.as_slice()].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{args:?}: {ran:#?}");
        assert!(ran.stderr.contains(says), "{args:?}: {}", ran.stderr);
    }
    assert_eq!(world.run(&["operator", "list", "--json"]).json(), json!({ "data": [], "total": 0 }));
}

#[test]
fn a_password_comes_by_standard_input_and_is_stored_nowhere() {
    let world = World::new();
    let add = ["operator", "add", "ann", "--role", "viewer", "--password-stdin", "--json"];
    let ran = world.run_with_input(&add, "fourteen oranges\nsecond line\n");
    assert_eq!(ran.code, 0, "{ran:#?}");
    let set = world.run_with_input(&["operator", "password", "ann", "--password-stdin", "--json"], "fifteen oranges");
    assert_eq!((set.code, &set.json()["hasPassword"]), (0, &json!(true)), "{set:#?}");
    let data = world.data_dir();
    assert_nowhere(&data, &["fourteen oranges", "fifteen oranges"]);
    assert!(!ran.stdout.contains("oranges") && !set.stdout.contains("oranges"));
    let unknown = world.run_with_input(&["operator", "password", "bob", "--password-stdin"], "sixteen oranges");
    assert_eq!(unknown.code, 1, "{unknown:#?}");
    world.assert_clean();
}
