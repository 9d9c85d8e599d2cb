//! `paramedic doctor` on a token: what it may, what it may not, and nothing asked that nobody wanted asked.
use crate::support::github::{Fake, Fault, TOKEN};
use crate::support::{Ran, World, ran};
use serde_json::{Value, json};

/// Runs `doctor` in a world whose settings enable the fake.
fn doctor(fake: &Fake, settings: &str, variables: &[(&str, &str)], more: &[&str]) -> Ran {
    let world = World::new();
    world.settings(&format!("{settings}\n[github]\nenabled = true\napi_url = \"{}\"\n", fake.url));
    ran(world.command(&[&["doctor", "--json"], more].concat()).envs(variables.iter().copied()))
}

fn said(ran: &Ran, name: &str) -> String {
    let document = ran.json();
    let checks = document["checks"].as_array().unwrap();
    let found = checks.iter().filter(|it| it["name"] == name);
    let found: Vec<_> =
        found.map(|it| format!("{} {}", it["health"].as_str().unwrap(), it["text"].as_str().unwrap())).collect();
    found.join("; ")
}

const ORDERS: &str = "[dispatch]\nrepository = \"acme/shop\"";

#[test]
fn it_says_what_the_token_can_and_cannot_do() {
    let fake = Fake::start();
    fake.state().scopes = "public_repo".to_owned();
    let ran = doctor(&fake, ORDERS, &[("GITHUB_TOKEN", TOKEN)], &[]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(said(&ran, "github").starts_with("ok "), "{ran:#?}");
    assert!(
        said(&ran, "github").contains("token of octocat (classic: public_repo), valid until 2030-12-31"),
        "{ran:#?}"
    );
    assert_eq!(said(&ran, "github pushes"), "ok CI runs on what is pushed with this token");
    assert!(
        said(&ran, "github workflows").starts_with("note ") && said(&ran, "github workflows").contains("`workflow`")
    );
    assert_eq!(
        said(&ran, "github acme/shop"),
        "ok reads repository, runs, pulls, issues, files, checks; may change things: yes"
    );
    assert!(said(&ran, "github budget").contains("of 5000 requests left"), "{ran:#?}");
    let found = ran.json()["github"].clone();
    assert_eq!(
        (&found["tokenKind"], &found["login"], &found["pushesStartCi"]),
        (&json!("classic"), &json!("octocat"), &json!(true))
    );
    assert_eq!(found["scopes"], json!(["public_repo"]));
    assert_eq!(found["mayChangeWorkflows"]["answer"], "no");
    assert_eq!(found["repositories"][0]["mayWrite"], json!({ "answer": "yes" }));
    assert_eq!(found["budget"]["limit"], 5_000);
    assert!(!format!("{ran:?}").contains(TOKEN));
    fake.state().shop().is_private = true;
    let ran = doctor(&fake, ORDERS, &[("GH_TOKEN", TOKEN)], &[]);
    assert!(
        said(&ran, "github acme/shop").contains("may change things: no, the token lacks the scope `repo`"),
        "{ran:#?}"
    );
    assert!(said(&ran, "github publishing").starts_with("ok off: safe mode"), "{ran:#?}");
    fake.state().shop().may_push = false;
    fake.state().shop().merge_methods = vec!["merge", "rebase"];
    let ran = doctor(&fake, ORDERS, &[("GITHUB_PAT", TOKEN)], &[]);
    assert!(said(&ran, "github acme/shop").contains("no, the owner of the token may not push there"), "{ran:#?}");
    assert!(
        said(&ran, "github acme/shop")
            .contains("`squash` is no way to merge there; set github.merge_method to merge or rebase"),
        "{ran:#?}"
    );
    let ran = doctor(&fake, &format!("safe_mode = false\n{ORDERS}"), &[("GITHUB_PAT", TOKEN)], &[]);
    assert!(said(&ran, "github publishing").starts_with("ok on: "), "{ran:#?}");
    assert_eq!(ran.json()["github"]["publishes"], true);
    assert!(fake.seen("").iter().all(|it| it.method == "GET"));
}

#[test]
fn the_token_of_a_workflow_starts_no_workflows() {
    let fake = Fake::start();
    let token = "ghs_16C7e42F292c6912E7710c838347Ae178B4a";
    fake.state().token = token.to_owned();
    fake.state().scopes = String::new();
    let ran = doctor(&fake, ORDERS, &[("GITHUB_TOKEN", token), ("GITHUB_ACTIONS", "true")], &[]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(said(&ran, "github pushes").starts_with("note CI does not run"), "{ran:#?}");
    assert!(said(&ran, "github acme/shop").contains("not known"), "{ran:#?}");
    let found = ran.json()["github"].clone();
    assert_eq!(
        (&found["tokenKind"], &found["login"], &found["pushesStartCi"]),
        (&json!("actions"), &Value::Null, &json!(false))
    );
    // The token of an App that is no job of a workflow does.
    let ran = doctor(&fake, ORDERS, &[("GITHUB_TOKEN", token)], &[]);
    assert_eq!(ran.json()["github"]["pushesStartCi"], true);
    assert!(fake.seen("GET /user").is_empty(), "an App is nobody");
}

#[test]
fn what_is_wrong_is_broken_and_says_why() {
    let fake = Fake::start();
    let ran = doctor(&fake, ORDERS, &[("GITHUB_TOKEN", "ghp_0therTokenThatIsNotTaken0therToken")], &[]);
    assert_eq!(ran.code, 1);
    assert!(said(&ran, "github").starts_with("broken ") && said(&ran, "github").contains("not valid"), "{ran:#?}");
    assert!(!format!("{ran:?}").contains("ghp_0ther"));
    assert_eq!(ran.json()["github"], Value::Null);
    let settings = "[repositories.\"acme/gone\"]\nclone_url = \"https://127.0.0.1/acme/gone.git\"\n\
                    [repositories.\"acme/lab\"]\nclone_url = \"https://gitlab.com/acme/lab.git\"";
    let ran = doctor(&fake, settings, &[("GITHUB_TOKEN", TOKEN)], &[]);
    assert_eq!(ran.code, 1);
    assert!(
        said(&ran, "github acme/gone").contains("404") && !said(&ran, "github acme/gone").contains("reads"),
        "{ran:#?}"
    );
    assert!(fake.seen("GET /repos/acme/lab").is_empty(), "it lies elsewhere");
    fake.next("GET /repos/acme/shop/pulls", Fault::status(403));
    let ran = doctor(&fake, ORDERS, &[("GITHUB_TOKEN", TOKEN)], &[]);
    assert!(said(&ran, "github acme/shop").contains("cannot read pulls"), "{ran:#?}");
    let needed = vec![("x-accepted-github-permissions", "checks=read".to_owned())];
    fake.next("GET /repos/acme/shop/commits/*/check-runs", Fault::Status(403, needed, String::new()));
    let ran = doctor(&fake, ORDERS, &[("GITHUB_TOKEN", TOKEN)], &[]);
    assert!(
        ran.code == 1
            && said(&ran, "github acme/shop").contains("cannot read checks")
            && ran.stdout.contains("checks=read"),
        "{ran:#?}"
    );
    fake.state().skew_s = 3_600;
    let ran = doctor(&fake, "", &[("GITHUB_TOKEN", TOKEN)], &[]);
    assert!(said(&ran, "github clock").starts_with("note GitHub's clock is 3"), "{ran:#?}");
}

#[test]
fn watched_repositories_come_first_and_what_is_left_out_is_told() {
    let fake = Fake::start();
    let cloned =
        (0..11).map(|n| format!("[repositories.\"aaa/r{n:02}\"]\nclone_url = \"https://127.0.0.1/aaa/r{n:02}.git\"\n"));
    let world = World::new();
    let cloned: String = cloned.collect();
    world.settings(&format!("{cloned}[github]\nwatch = [\"acme/shop\"]\napi_url = \"{}\"\n", fake.url));
    let ran = ran_with_token(&world);
    assert!(said(&ran, "github acme/shop").starts_with("ok reads"), "{ran:#?}");
    assert!(said(&ran, "github repositories").starts_with("note 2 more were not looked at"), "{ran:#?}");
    let told = ran.json()["github"]["repositories"].as_array().unwrap().len();
    assert_eq!((told, fake.count("GET /repos/aaa/r09")), (10, 0));
}

#[test]
fn rules_that_are_refused_there_are_told_with_their_line() {
    let fake = Fake::start();
    let rules = |text: &str| fake.commit("acme/shop", "main", &[(".github/auto-heal-config.yml", text)]);
    let settings = format!("{ORDERS}\n");
    rules("enabled: true\nretries: 3\n");
    let ran = doctor(&fake, &settings, &[("GITHUB_TOKEN", TOKEN)], &[]);
    let text = said(&ran, "github acme/shop rules");
    assert!(ran.code == 1 && text.starts_with("broken ") && text.contains("line 2"), "{ran:#?}");
    rules("enabled: true\n");
    let ran = doctor(&fake, &settings, &[("GITHUB_TOKEN", TOKEN)], &[]);
    assert_eq!(said(&ran, "github acme/shop rules"), "ok .github/auto-heal-config.yml is read", "{ran:#?}");
    assert!(fake.writes().is_empty());
}

#[test]
fn a_repository_that_is_called_otherwise_now_is_broken() {
    let fake = Fake::start();
    fake.rename("acme/shop", "acme/store");
    let ran = doctor(&fake, ORDERS, &[("GITHUB_TOKEN", TOKEN)], &[]);
    assert!(ran.code == 1 && said(&ran, "github acme/shop").contains("is called acme/store now"), "{ran:#?}");
}

#[test]
fn nothing_is_asked_unless_it_is_wanted() {
    let fake = Fake::start();
    let ran = doctor(&fake, ORDERS, &[("GITHUB_TOKEN", TOKEN)], &["--offline"]);
    assert_eq!((ran.code, said(&ran, "github").contains("--offline")), (0, true), "{ran:#?}");
    let ran = doctor(&fake, ORDERS, &[], &[]);
    assert_eq!((ran.code, said(&ran, "github").contains("there is no token")), (1, true), "{ran:#?}");
    let world = World::new();
    world.settings(&format!("[github]\napi_url = \"{}\"\n", fake.url));
    let off = ran_with_token(&world);
    assert_eq!((off.code, said(&off, "github")), (0, "ok off: it is asked nothing".to_owned()), "{off:#?}");
    assert!(fake.seen("").is_empty());
}

fn ran_with_token(world: &World) -> Ran {
    ran(world.command(&["doctor", "--json"]).env("GITHUB_TOKEN", TOKEN))
}

#[test]
fn gh_is_asked_for_its_token() {
    let fake = Fake::start();
    let gh = |world: &World| {
        let folder = world.dir.path().join("bin");
        std::fs::create_dir_all(&folder).unwrap();
        let host = fake.url.strip_prefix("http://").unwrap();
        let text = format!(
            "#!/bin/sh\n[ \"$*\" = 'auth token --hostname {host}' ] && [ \"$GH_CONFIG_DIR\" = /cfg ] && echo {TOKEN}\n"
        );
        std::fs::write(folder.join("gh"), text).unwrap();
        std::fs::set_permissions(folder.join("gh"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
    };
    for (gh_cli, kind) in [("true", json!("classic")), ("false", Value::Null)] {
        let world = World::new();
        world.settings(&format!("[github]\nenabled = true\ngh_cli = {gh_cli}\napi_url = \"{}\"\n", fake.url));
        let path = gh(&world);
        let ran = ran(world.command(&["doctor", "--json"]).env("PATH", path).env("GH_CONFIG_DIR", "/cfg"));
        assert_eq!(ran.json()["github"]["tokenKind"], kind, "{ran:#?}");
    }
}

#[test]
fn it_says_whether_copilot_works_for_the_token() {
    let app = "ghs_16C7e42F292c6912E7710c838347Ae178B4a";
    for (agents, token, scopes, expected) in [
        ("agents_by_default = [\"playbook\", \"copilot\"]\n", TOKEN, "repo", "ok may assign issues"),
        ("agents_by_default = [\"copilot\"]\n", TOKEN, "public_repo", "note may assign issues"),
        ("agents_by_default = [\"copilot\"]\n", app, "", "note may assign issues"),
        ("agents_by_default = [\"copilot\"]\n[agents.copilot]\ncommand = \"mine\"\n", TOKEN, "repo", ""),
        ("", TOKEN, "repo", ""),
    ] {
        let (fake, world) = (Fake::start(), World::new());
        fake.state().token = token.to_owned();
        fake.state().scopes = scopes.to_owned();
        world.settings(&format!("{agents}[github]\nwatch = [\"acme/shop\"]\napi_url = \"{}\"\n", fake.url));
        let ran = ran(world.command(&["doctor", "--json"]).env("GITHUB_TOKEN", token));
        let told = said(&ran, "github copilot");
        assert!(told.starts_with(expected) && told.is_empty() == expected.is_empty(), "{agents}: {ran:#?}");
        assert_eq!(ran.json()["github"]["mayAskCopilot"].is_null(), expected.is_empty());
    }
}

#[test]
fn the_runbook_names_every_key_of_what_scripts_read() {
    let fake = Fake::start();
    let found = doctor(&fake, ORDERS, &[("GITHUB_TOKEN", TOKEN)], &[]).json()["github"].clone();
    let runbook = include_str!("../../../docs/RUNBOOK.md");
    let (_, keys) = runbook.split_once("`apiUrl ").unwrap();
    let keys = format!("apiUrl {}", keys.split_once("`.").unwrap().0);
    let named: Vec<&str> = keys.split(|it: char| !it.is_ascii_alphanumeric()).collect();
    for told in [&found, &found["repositories"][0], &found["budget"], &found["mayChangeWorkflows"]] {
        for key in told.as_object().unwrap().keys() {
            assert!(named.contains(&key.as_str()), "{key} is not among {keys}");
        }
    }
}
