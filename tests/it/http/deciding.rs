//! What is decided over HTTP: once, by whom the token says, and only on what they looked at.
use super::served::{ADMIN, OPERATOR, SECOND, Served, VIEWER, answer, database, refusal};
use crate::store_contract::fixtures::{at, fixed, queued};
use crate::support::{BUGGY, RIGHT, World};
use paramedic::domain::Verdict;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_proved_patch_is_approved_once() {
    let world = World::with_repo(BUGGY);
    let (code, run) = world.heal(RIGHT, &["--test", "python3 -m unittest"]);
    assert_eq!(code, 0, "{run}");
    database(&world).await;
    let served = Served::start(&world, &[]);
    let client = served.client();
    let id = run["id"].as_str().unwrap();
    let version = run["version"].as_u64().unwrap();
    let digest = run["attempts"][0]["patchDigest"].as_str().unwrap();
    let approve = format!("/runs/{id}/actions/approve");

    let stale = json!({ "version": version - 1 });
    let refused = client.post(&approve, OPERATOR, &stale).await;
    assert_eq!(refusal(&refused), (409, "moved", None));
    assert_eq!(
        (&refused.1["error"]["named"], &refused.1["error"]["now"]),
        (&json!((version - 1).to_string()), &json!(version.to_string()))
    );
    let by_header = client.request(Method::POST, &approve, OPERATOR).header("If-Match", format!("\"{}\"", version - 1));
    assert_eq!(refusal(&answer(by_header.send().await.unwrap()).await), (412, "moved", None));
    let refused = client.post(&approve, OPERATOR, &json!({ "rev": "0000000" })).await;
    assert_eq!(refusal(&refused), (409, "moved", None));

    let by_header = client.request(Method::POST, &approve, OPERATOR).header("If-Match", format!("\"{version}\""));
    let (status, done) =
        answer(by_header.json(&json!({ "note": "good", "rev": &digest[..10] })).send().await.unwrap()).await;
    assert_eq!(
        (status.as_u16(), &done["run"]["status"], &done["repeated"]),
        (200, &json!("resolved"), &json!(false)),
        "{done}"
    );
    assert_eq!(done["run"]["approvedBy"], json!(["otto"]), "whose token it was, whatever else was said");
    let (_, again) = client.post(&approve, OPERATOR, &json!({})).await;
    assert_eq!((&again["repeated"], &again["run"]["version"]), (&json!(true), &done["run"]["version"]));
    let refused = client.post(&format!("/runs/{id}/actions/abort"), OPERATOR, &json!({})).await;
    assert_eq!(refusal(&refused), (409, "illegal_state", None));
    assert_eq!(refused.1["error"]["state"], "resolved");
    assert!(!world.git(&["branch", "--list", "heal/*"]).is_empty());
    served.stop();
    world.assert_clean();
}

#[tokio::test]
async fn two_keys_are_two_people() {
    let world = World::with_repo(BUGGY);
    let policy = [("--test", "python3 -m unittest")];
    world.write(".paramedic/policy.toml", "protected = [\"calc.py\"]\n");
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "Protect"]);
    let (_, run) = world.heal(RIGHT, &[policy[0].0, policy[0].1]);
    assert_eq!(run["status"], "fixed", "{run}");
    database(&world).await;
    let served = Served::start(&world, &[]);
    let client = served.client();
    let approve = format!("/runs/{}/actions/approve", run["id"].as_str().unwrap());
    let (_, first) = client.post(&approve, OPERATOR, &Value::Null).await;
    assert_eq!((&first["needsSecondKey"], &first["run"]["status"]), (&json!(true), &json!("fixed")), "{first}");
    let (status, again) = client.post(&approve, OPERATOR, &Value::Null).await;
    assert_eq!(
        (status.as_u16(), &again["repeated"], &again["needsSecondKey"]),
        (200, &json!(true), &json!(true)),
        "{again}"
    );
    assert_eq!(again["run"], first["run"], "the same person is one key");
    let (_, second) = client.post(&approve, SECOND, &Value::Null).await;
    assert_eq!(second["run"]["status"], "resolved", "{second}");
    assert_eq!(second["run"]["approvedBy"], json!(["otto", "olga"]));
}

#[tokio::test]
async fn a_patch_of_a_mebibyte_fits_however_json_writes_it() {
    let world = World::new();
    let store = database(&world).await;
    let run = fixed(&store, at(10), Verdict::Ok).await;
    let served = Served::start(&world, &[]);
    let client = served.client();
    let fix = format!("/runs/{}/actions/human-fix", run.id);
    let patch = |n: usize| json!({ "patch": "+\t\"\\\"\n".repeat(n) });
    let refused = client.post(&fix, OPERATOR, &patch((2 << 20) / 10)).await;
    assert_eq!(refusal(&refused), (413, "too_large", None));
    let refused = client.post(&fix, OPERATOR, &patch((1 << 20) / 6 + 1)).await;
    assert_eq!(refusal(&refused), (400, "invalid", None), "more than a mebibyte");
    let (status, taken) = client.post(&fix, OPERATOR, &patch((1 << 20) / 6)).await;
    assert_eq!(status, 200, "{taken}");
}

#[tokio::test]
async fn a_fix_by_hand_is_handed_in() {
    let world = World::with_repo(BUGGY);
    let (_, run) = world.heal("true", &["--test", "python3 -m unittest", "--max-attempts", "1"]);
    assert_eq!(run["status"], "escalated", "{run}");
    database(&world).await;
    let served = Served::start(&world, &[]);
    let client = served.client();
    let fix = format!("/runs/{}/actions/human-fix", run["id"].as_str().unwrap());
    for (body, field) in [
        (json!({}), Some("patch")),
        (json!({ "patch": "x", "hint": "y" }), Some("hint")),
        (json!({ "worktree": "/etc" }), Some("patch")),
        (json!({ "hint": "x", "worktree": "/etc" }), Some("worktree")),
        (json!({ "patch": 7 }), Some("patch")),
        (json!({ "patch": "no patch at all" }), None),
        (json!({ "hint": " " }), None),
        (json!({ "hint": "\u{200b}\u{e0041} \u{feff}" }), None),
    ] {
        assert_eq!(refusal(&client.post(&fix, OPERATOR, &body).await), (400, "invalid", field), "{body}");
    }
    world.write("calc.py", "def add(a, b):\n    return a + b\n\n\ndef double(a):\n    return a * 2\n");
    let patch = world.git(&["diff"]) + "\n";
    world.git(&["checkout", "-q", "calc.py"]);
    let (status, done) = client.post(&fix, ADMIN, &json!({ "patch": patch, "note": "by hand" })).await;
    assert_eq!((status.as_u16(), &done["run"]["status"]), (200, &json!("queued")), "{done}");
    assert_eq!(done["run"]["pending"]["by"], "ada");
}

#[tokio::test]
async fn bad_decisions_are_refused_with_what_is_wrong() {
    let world = World::new();
    let store = database(&world).await;
    let run = queued(&store, at(10)).await;
    let proved = fixed(&store, at(20), Verdict::Ok).await;
    let served = Served::start(&world, &[]);
    let client = served.client();
    let path = |action: &str| format!("/runs/{}/actions/{action}", run.id);

    let cases = [
        (json!({ "note": "x".repeat(2_001) }), Some("note")),
        (json!({ "note": 1 }), Some("note")),
        (json!({ "version": "1" }), Some("version")),
        (json!({ "rev": "x".repeat(81) }), Some("rev")),
        (json!({ "patch": "x" }), Some("patch")),
        (json!({ "by": "ada" }), Some("by")),
        (json!(["note"]), None),
    ];
    for (body, field) in cases {
        assert_eq!(refusal(&client.post(&path("abort"), OPERATOR, &body).await), (400, "invalid", field), "{body}");
    }
    assert_eq!(refusal(&client.post(&path("merge"), OPERATOR, &json!({})).await), (400, "invalid", Some("action")));
    let unknown = "/runs/00000000-0000-4000-8000-000000000000/actions/abort";
    assert_eq!(refusal(&client.post(unknown, OPERATOR, &json!({})).await), (404, "not_found", None));
    assert_eq!(
        refusal(&client.post("/runs/x/actions/abort", OPERATOR, &json!({})).await),
        (400, "invalid", Some("id"))
    );
    let refused = client.post(&path("approve"), OPERATOR, &json!({})).await;
    assert_eq!((refusal(&refused), &refused.1["error"]["state"]), ((409, "illegal_state", None), &json!("queued")));
    for header in ["x", "\"x\"", "W/\"1\""] {
        let request = client.request(Method::POST, &path("abort"), OPERATOR).header("If-Match", header);
        assert_eq!(refusal(&answer(request.send().await.unwrap()).await), (400, "invalid", Some("If-Match")));
    }
    for body in ["{", "{\"note\": \"\\ud800\"}", "{\"note\":1e400}", "[[[[", "nul"] {
        let request = client.request(Method::POST, &path("abort"), OPERATOR).header("Content-Type", "application/json");
        assert_eq!(refusal(&answer(request.body(body).send().await.unwrap()).await), (400, "invalid", None), "{body}");
    }
    let form = client.request(Method::POST, &path("abort"), OPERATOR).form(&[("note", "x")]);
    assert_eq!(refusal(&answer(form.send().await.unwrap()).await), (415, "unsupported_media_type", None));

    for (action, id) in [("approve", proved.id), ("deny", proved.id), ("abort", run.id), ("retry", run.id)] {
        let path = format!("/runs/{id}/actions/{action}");
        assert_eq!(refusal(&client.post(&path, VIEWER, &json!({})).await), (403, "forbidden", None), "{action}");
        assert_eq!(refusal(&client.post(&path, "guess", &json!({})).await), (401, "unauthenticated", None), "{action}");
    }
    let (status, done) = answer(client.request(Method::POST, &path("abort"), OPERATOR).send().await.unwrap()).await;
    assert_eq!((status.as_u16(), &done["run"]["status"]), (200, &json!("aborted")), "an empty body is fine: {done}");
}

#[tokio::test]
async fn a_server_that_only_reads_refuses_decisions() {
    let world = World::new();
    let store = database(&world).await;
    let run = queued(&store, at(10)).await;
    let served = Served::start(&world, &["--read-only"]);
    let client = served.client();
    assert_eq!(client.get("/runs", VIEWER).await.1["total"], 1);
    let abort = format!("/runs/{}/actions/abort", run.id);
    assert_eq!(refusal(&client.post(&abort, ADMIN, &json!({})).await), (403, "forbidden", None));
}
