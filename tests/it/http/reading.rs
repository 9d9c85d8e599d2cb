//! What is read: pages, one run, its outputs, counts, events; and who may.
use super::served::{ADMIN, Inside, OPERATOR, REVOKED, Served, VIEWER, database, refusal, runs};
use crate::support::World;
use paramedic::http::Settings;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_backlog_is_read_page_by_page() {
    let world = World::new();
    let store = database(&world).await;
    let fixed = runs(&store).await;
    let served = Served::start(&world, &[]);
    let client = served.client();

    let (status, page) = client.get("/runs", VIEWER).await;
    assert_eq!(
        (status.as_u16(), &page["total"], &page["page"], &page["pageSize"]),
        (200, &json!(4), &json!(1), &json!(20))
    );
    let all: Vec<&str> = page["data"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(all.len(), 4);
    // The run whose worker is long gone was just put back into the queue.
    assert_eq!(all[1], fixed.id.to_string(), "newest change first");
    let mut walked = Vec::new();
    for no in 1..=3 {
        let (_, page) = client.get(&format!("/runs?page={no}&pageSize=2"), VIEWER).await;
        assert_eq!(page["total"], 4);
        walked.extend(page["data"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()));
    }
    assert_eq!(walked, all);
    let (_, page) = client.get("/runs?status=fixed&repository=acme/shop", VIEWER).await;
    assert_eq!((&page["total"], &page["data"][0]["status"]), (&json!(1), &json!("fixed")));
    let (_, page) = client.get("/runs?status=&repository=", VIEWER).await;
    assert_eq!(page["total"], 4, "empty filters are none");
    assert_eq!(client.get("/runs?repository=nobody/nothing", VIEWER).await.1["total"], 0);
    let (status, alias) = client.get("//v1/ci-healing/runs?page=1", VIEWER).await;
    assert_eq!((status.as_u16(), &alias["total"]), (200, &json!(4)));

    for (query, field) in [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=x", "page"),
        ("page=", "page"),
        ("page=1&page=2", "page"),
        ("page=99999999999999999999999", "page"),
        ("pageSize=0", "pageSize"),
        ("pageSize=101", "pageSize"),
        ("status=broken", "status"),
        ("status=FIXED", "status"),
        ("repository=%00", "repository"),
        ("repository=%ff", "repository"),
        ("sort=asc", "sort"),
    ] {
        assert_eq!(
            refusal(&client.get(&format!("/runs?{query}"), VIEWER).await),
            (400, "invalid", Some(field)),
            "{query}"
        );
    }
}

#[tokio::test]
async fn one_run_is_read_in_detail() {
    let world = World::new();
    let store = database(&world).await;
    let fixed = runs(&store).await;
    let served = Served::start(&world, &[]);
    let client = served.client();
    let path = format!("/runs/{}", fixed.id);

    let response = client.request(Method::GET, &path, VIEWER).send().await.unwrap();
    assert_eq!(response.headers()["etag"], format!("\"{}\"", fixed.version));
    let detail: Value = response.json().await.unwrap();
    assert_eq!((&detail["id"], &detail["status"]), (&json!(fixed.id), &json!("fixed")));
    assert_eq!(detail["attempts"][0]["author"], "playbook");
    assert!(detail["events"].as_array().unwrap().len() >= 4);

    for (path, expected) in [
        ("/runs/nonsense".to_owned(), (400, "invalid", Some("id"))),
        ("/runs/%7b00000000-0000-4000-8000-000000000000%7d".to_owned(), (400, "invalid", Some("id"))),
        ("/runs/%ff".to_owned(), (400, "invalid", None)),
        ("/runs/00000000-0000-4000-8000-000000000000".to_owned(), (404, "not_found", None)),
        ("/runs/00000000-0000-4000-8000-000000000000/outputs".to_owned(), (404, "not_found", None)),
        (format!("{path}/outputs/none.log"), (404, "not_found", None)),
        (format!("{path}/outputs/a%00b"), (404, "not_found", None)),
        (format!("{path}/outputs/..%2f..%2fetc%2fpasswd"), (404, "not_found", None)),
        (format!("{path}/nothing"), (404, "not_found", None)),
        ("/resolve?run=zz".to_owned(), (400, "invalid", None)),
        ("/resolve?run=".to_owned(), (400, "invalid", Some("run"))),
        ("/resolve".to_owned(), (400, "invalid", Some("run"))),
    ] {
        assert_eq!(refusal(&client.get(&path, VIEWER).await), expected, "{path}");
    }
    let (_, found) = client.get(&format!("/resolve?run={}", fixed.id.short()), VIEWER).await;
    assert_eq!(found, json!({ "runId": fixed.id }));
    assert_eq!(client.get(&format!("{path}/live"), VIEWER).await.1, Value::Null);
    assert_eq!(client.get(&format!("{path}/outputs"), VIEWER).await.1, json!([]));
}

#[tokio::test]
async fn outputs_are_raw_bytes_that_no_browser_runs() {
    let world = World::new();
    let store = database(&world).await;
    runs(&store).await;
    let served = Served::start(&world, &[]);
    let client = served.client();
    let (_, page) = client.get("/runs?status=escalated", VIEWER).await;
    let path = format!("/runs/{}/outputs", page["data"][0]["id"].as_str().unwrap());
    assert_eq!(client.get(&path, VIEWER).await.1, json!([{ "name": "base.log", "bytes": 16 }]));
    let response = client.request(Method::GET, &format!("{path}/base.log"), VIEWER).send().await.unwrap();
    for (name, value) in [
        ("content-type", "application/octet-stream"),
        ("content-disposition", "attachment"),
        ("x-content-type-options", "nosniff"),
        ("x-dropped-bytes", "7"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(response.headers()[name], value);
    }
    assert_eq!(&response.bytes().await.unwrap()[..], b"a\0\x1b[31m\xff<script>");
}

#[tokio::test]
async fn counts_and_events_are_read() {
    let world = World::new();
    let store = database(&world).await;
    runs(&store).await;
    let served = Served::start(&world, &[]);
    let client = served.client();
    let (_, summary) = client.get("/metrics/summary", VIEWER).await;
    assert_eq!((&summary["total"], &summary["fixed"], &summary["aiSuccessRate"]), (&json!(4), &json!(1), &json!(50.0)));
    let (_, repositories) = client.get("/metrics/repositories", VIEWER).await;
    assert_eq!((&repositories[0]["repository"], &repositories[0]["total"]), (&json!("acme/shop"), &json!(3)));
    assert_eq!(refusal(&client.get("/metrics/summary?x=1", VIEWER).await), (400, "invalid", Some("x")));

    let (_, everything) = client.get("/events?limit=1000", ADMIN).await;
    let (_, seen) = client.get("/events?limit=1000", OPERATOR).await;
    let nil = json!("00000000-0000-0000-0000-000000000000");
    let about_nothing = |it: &Value| it["data"].as_array().unwrap().iter().filter(|it| it["runId"] == nil).count();
    assert_eq!((about_nothing(&everything), about_nothing(&seen)), (5, 0));
    let (_, first) = client.get("/events?limit=1", VIEWER).await;
    assert_eq!(first["data"][0]["seq"], 6, "what is not shown does not look like the end");
    let last = everything["data"].as_array().unwrap().last().unwrap()["seq"].as_u64().unwrap();
    assert_eq!(client.get(&format!("/events?after={last}"), VIEWER).await.1, json!({ "data": [] }));
    for query in ["after=-1", "after=9223372036854775808", "limit=0", "limit=1001"] {
        assert_eq!(refusal(&client.get(&format!("/events?{query}"), VIEWER).await).0, 400, "{query}");
    }
    let (_, audit) = client.get("/audit", ADMIN).await;
    assert_eq!((&audit["events"], audit["head"].as_str().unwrap().len()), (&json!(last), 64));
}

#[tokio::test]
async fn only_operators_in_force_read_and_each_only_what_they_may() {
    let world = World::new();
    database(&world).await;
    let served = Served::start(&world, &[]);
    let client = served.client();
    for path in
        ["/runs", "/events", "/stream", "/me", "/audit", "/metrics/summary", "/metrics/repositories", "/resolve"]
    {
        for token in ["", "guess", REVOKED] {
            let response = client.request(Method::GET, path, token).send().await.unwrap();
            assert_eq!(
                (response.status().as_u16(), &response.headers()["www-authenticate"]),
                (401, &"Bearer".parse().unwrap())
            );
        }
    }
    for token in [VIEWER, OPERATOR] {
        assert_eq!(refusal(&client.get("/audit", token).await), (403, "forbidden", None));
    }
    let me = json!({ "name": "ada", "role": "admin", "version": env!("CARGO_PKG_VERSION") });
    assert_eq!(client.get("/me", ADMIN).await.1, me);
    let basic = client.request(Method::GET, "/me", "").basic_auth("ada", Some(ADMIN)).send().await.unwrap();
    assert_eq!(basic.status(), 401);
}

#[tokio::test]
async fn reads_are_public_where_the_settings_say_so_and_nothing_else() {
    let world = World::new();
    let store = database(&world).await;
    let fixed = runs(&store).await;
    let inside = Inside::start(&world, Settings { public_reads: true, ..Settings::default() }).await;
    let client = inside.client();
    assert_eq!(client.get("/runs", "").await.1["total"], 4);
    assert_eq!(client.get("/runs", "guess").await.0, 401, "a wrong token is wrong");
    assert_eq!(client.get("/me", "").await.0, 401);
    assert_eq!(client.get("/audit", "").await.0, 401);
    assert_eq!(client.get("/ci", "").await.0, 200);
    for asked in ["runs/1/jobs", "runs/1/deployments", "jobs/1/log"] {
        let path = format!("/ci/repositories/acme/shop/{asked}");
        assert_eq!(client.get(&path, "").await.0, 401, "{asked} asks the forge");
        assert_eq!(client.get(&path, VIEWER).await.0, 404, "{asked} of what is not watched");
    }
    let approve = format!("/runs/{}/actions/approve", fixed.id);
    assert_eq!(client.post(&approve, "", &json!({})).await.0, 401);
    assert_eq!(client.post(&approve, VIEWER, &json!({})).await.0, 403);
    inside.stop().await;
}
